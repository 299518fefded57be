"""Rewritten modules executed for real: stubs trap, constructors do nothing, and the hooks see what they should."""

from __future__ import annotations

import pytest
import wasmtime
from wasm_builder import Host, guest, imports, keeping

from wasihost.runtime.wasm import rewrite

OUTPUT_FLAGS = 0x5757
EMFILE = 33
PATH_OPEN = ("path_open", 3, 1, 10, 11, 12, 13, 14, 15, 16)


def host(module: bytes, **answers: int) -> Host:
    return Host(rewrite(module), answers=answers)


# --- slices ---------------------------------------------------------------------------------------------------------

SLICED = """
  (func $ctors (call $ctor_in) (call $ctor_out))
  (func $ctor_in (global.set $seen (i32.add (global.get $seen) (i32.const 1))))
  (func $ctor_out (global.set $seen (i32.add (global.get $seen) (i32.const 10))))
  (func $boot (export "boot") (call $ctors))
  (func $kept (export "kept") (result i32) (i32.const 42))
  (func $gone (export "gone") (result i32) (i32.const 43))
  (func $gone_too (result i32) (i32.const 44))
  (func $indirect (export "indirect") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (global $seen (export "seen") (mut i32) (i32.const 0))
  (elem (i32.const 0) $gone $kept $gone_too $kept $kept)
"""


def test_a_slice_runs_and_the_rest_traps():
    sliced = Host(keeping(guest(drivers=SLICED), "ctors", "ctor_in", "boot", "kept", "indirect"))
    assert sliced.call("kept") == 42
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        sliced.call("gone")
    assert [sliced.call("indirect", index) for index in (1, 3, 4)] == [42, 42, 42]
    for index in (0, 2, 5):
        assert sliced.table_entry(index).value is None
        with pytest.raises(wasmtime.Trap, match="uninitialized element"):
            sliced.call("indirect", index)


def test_without_a_slice_everything_runs():
    whole = host(guest(drivers=SLICED))
    assert (whole.call("kept"), whole.call("gone")) == (42, 43)
    assert [whole.call("indirect", index) for index in range(5)] == [43, 42, 44, 42, 42]
    whole.call("boot")
    assert whole.global_("seen") == 11


def test_constructors_outside_the_slice_do_nothing():
    sliced = Host(keeping(guest(drivers=SLICED), "ctors", "ctor_in", "boot"))
    sliced.call("boot")
    assert sliced.global_("seen") == 1
    assert sliced.global_("wasihost:global:0") == 1


def test_start_function_is_left_to_the_host():
    module = guest("""(global $g (export "g") (mut i32) (i32.const 0)) (start $s)
                      (func $s (global.set $g (i32.load8_u (i32.const 5)))) (data (i32.const 5) "*")""")
    rewritten = rewrite(module)
    assert rewritten.start_export == "wasihost:start"
    started = Host(rewritten)
    assert started.global_("g") == 0
    started.exports["memory"].write(started.store, rewritten.genesis, 0)
    started.call("wasihost:start")
    assert started.global_("g") == ord("*")


# --- output ---------------------------------------------------------------------------------------------------------


def test_output_goes_to_the_hook_and_other_writes_to_their_file():
    guest_host = host(guest(), sock_send=5, fd_write=6)
    assert [guest_host.call("write", fd, 100, 2, 200) for fd in (1, 2)] == [5, 5]
    assert guest_host.calls == [("sock_send", fd, 100, 2, OUTPUT_FLAGS, 200) for fd in (1, 2)]
    guest_host.calls.clear()
    others = [0, 3, 33, 34, 2**31 - 1, -1, -(2**31)]
    assert [guest_host.call("write", fd, 100, 2, 200) for fd in others] == [6] * len(others)
    assert guest_host.calls == [("fd_write", fd, 100, 2, 200) for fd in others]


@pytest.mark.parametrize(("fd", "other", "left"), [(1, 2, 0b100), (2, 1, 0b010)])
def test_a_closed_stream_goes_to_the_hook_no_more(fd, other, left):
    guest_host = host(guest())
    assert guest_host.global_("wasihost:streams") == 0b110
    assert guest_host.call("close", fd) == 0
    assert guest_host.global_("wasihost:streams") == left
    guest_host.calls.clear()
    guest_host.call("write", fd, 0, 0, 0)
    guest_host.call("write", other, 0, 0, 0)
    assert [call[:2] for call in guest_host.calls] == [("fd_write", fd), ("sock_send", other)]


def test_a_stream_that_could_not_be_closed_stays():
    guest_host = host(guest(), fd_close=8)
    assert guest_host.call("close", 1) == 8
    assert guest_host.global_("wasihost:streams") == 0b110


def test_the_host_can_turn_the_hook_off():
    guest_host = host(guest())
    guest_host.set_global("wasihost:streams", 0)
    guest_host.call("write", 1, 0, 0, 0)
    assert guest_host.calls == [("fd_write", 1, 0, 0, 0)]


# --- open files -----------------------------------------------------------------------------------------------------


def test_open_limit_is_exact_and_closing_makes_room():
    guest_host = host(guest())
    guest_host.set_global("wasihost:open_limit", 3)
    assert [guest_host.call("open") for _ in range(5)] == [0, 0, 0, EMFILE, EMFILE]
    assert guest_host.calls == [PATH_OPEN] * 3
    assert guest_host.global_("wasihost:open_count") == 3
    assert guest_host.call("close", 7) == 0
    assert guest_host.global_("wasihost:open_count") == 2
    assert [guest_host.call("open") for _ in range(2)] == [0, EMFILE]


def test_limits_at_the_ends():
    guest_host = host(guest())
    assert guest_host.global_("wasihost:open_limit") == 0x7FFFFFFF
    guest_host.set_global("wasihost:open_limit", 0)
    assert guest_host.call("open") == EMFILE
    guest_host.set_global("wasihost:open_limit", -1)  # compared as unsigned: the largest there is
    assert guest_host.call("open") == 0


def test_what_fails_is_not_counted():
    guest_host = host(guest(), path_open=44)
    assert guest_host.call("open") == 44
    assert guest_host.global_("wasihost:open_count") == 0
    guest_host.answers = {"fd_close": 8}
    guest_host.call("open")
    assert guest_host.call("close", 5) == 8
    assert guest_host.global_("wasihost:open_count") == 1


def test_the_count_does_not_go_below_zero():
    guest_host = host(guest())
    assert [guest_host.call("close", fd) for fd in (5, 0, 6)] == [0, 0, 0]
    assert guest_host.global_("wasihost:open_count") == 0


def test_closing_a_stream_does_not_count_but_closing_the_file_that_took_its_number_does():
    guest_host = host(guest())
    guest_host.call("open")
    guest_host.call("close", 1)
    assert guest_host.global_("wasihost:open_count") == 1
    guest_host.call("open")  # may be given descriptor 1
    guest_host.call("close", 1)
    assert guest_host.global_("wasihost:open_count") == 1
    assert guest_host.global_("wasihost:streams") == 0b100


# --- every way to reach an import -----------------------------------------------------------------------------------

WAYS = """
  (type $close_type (func (param i32) (result i32)))
  (func (export "tail") (param i32) (result i32) (return_call $fd_close (local.get 0)))
  (func (export "by_table") (param i32) (result i32) (call_indirect (type $close_type) (local.get 0) (i32.const 1)))
  (func (export "by_reference") (param i32) (result i32)
    (table.set (i32.const 7) (ref.func $fd_close))
    (call_indirect (type $close_type) (local.get 0) (i32.const 7)))
"""


@pytest.mark.parametrize("way", ["close", "tail", "by_table", "by_reference"])
@pytest.mark.parametrize(
    "declared", ["(elem (i32.const 1) $fd_close)", '(elem (i32.const 1) $close) (export "x" (func $fd_close))']
)
def test_every_way_to_an_import_leads_through_the_hook(way, declared):
    guest_host = host(guest(WAYS + declared))
    assert guest_host.call(way, 1) == 0
    assert guest_host.global_("wasihost:streams") == 0b100
    assert guest_host.calls == [("fd_close", 1)]


def test_padded_indices_run():
    module = bytearray(guest())
    assert module.count(b"\x10\x02\x0b") == 1
    place = module.index(b"\x10\x02\x0b")
    start = module.rindex(b"\x06\x00\x20\x00", 0, place)  # the length of the body, no locals, local.get 0
    padded = bytes(module[start + 1 : place]) + b"\x10\x82\x80\x80\x80\x00\x0b"
    code = module.rindex(b"\x0a", 0, module.index(b"\x20\x00\x20\x01"))
    size = module[code + 1]
    assert size < 124
    module[start : place + 3] = bytes([len(padded)]) + padded
    module[code + 1] = size + 4
    guest_host = host(bytes(module))
    guest_host.call("close", 2)
    assert guest_host.global_("wasihost:streams") == 0b010


# --- entropy --------------------------------------------------------------------------------------------------------

RANDOM = '(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))'
DRAWS = """
  (func $draw (export "draw") (param i32 i32) (result i32) (call $random_get (local.get 0) (local.get 1)))
  (func (export "draw_by_tail") (param i32 i32) (result i32) (return_call $random_get (local.get 0) (local.get 1)))
  (func (export "draw_by_table") (param i32 i32) (result i32)
    (call_indirect (param i32 i32) (result i32) (local.get 0) (local.get 1) (i32.const 3)))
  (elem (i32.const 3) $random_get)
"""


def drawing() -> bytes:
    return guest(DRAWS, functions=imports() + RANDOM)


def test_every_draw_of_entropy_is_counted():
    guest_host = host(drawing())
    assert guest_host.global_("wasihost:entropy_reads") == 0
    for count, way in enumerate(["draw", "draw_by_tail", "draw_by_table", "draw"], 1):
        guest_host.calls.clear()
        assert guest_host.call(way, 100 + count, count) == 0
        assert guest_host.calls == [("random_get", 100 + count, count)]
        assert guest_host.global_("wasihost:entropy_reads") == count


def test_a_draw_that_fails_or_asks_for_nothing_counts_too():
    guest_host = host(drawing(), random_get=29)
    assert [guest_host.call("draw", 0, size) for size in (8, 0, -1)] == [29] * 3
    assert guest_host.global_("wasihost:entropy_reads") == 3


def test_what_else_is_called_draws_no_entropy():
    guest_host = host(drawing())
    guest_host.call("open")
    guest_host.call("write", 1, 100, 2, 200)
    guest_host.call("close", 5)
    assert guest_host.global_("wasihost:entropy_reads") == 0


def test_the_count_can_be_set_and_goes_on_from_there():
    guest_host = host(drawing())
    guest_host.set_global("wasihost:entropy_reads", -1)
    guest_host.call("draw", 0, 8)
    assert guest_host.global_("wasihost:entropy_reads") == 0


def test_a_build_that_draws_no_entropy_has_the_count_all_the_same():
    assert host(guest()).global_("wasihost:entropy_reads") == 0
