from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: the limit of digits lifted",
    guest="import sys\nsys.set_int_max_str_digits(0)",
    expect=printed(),
    then=Then("import sys\nsys.get_int_max_str_digits()", gave(4300)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
sys.set_int_max_str_digits(0)
import sys
sys.get_int_max_str_digits()
""",
        expect=gave(0),
    ),
)
