from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: an import hook planted",
    guest="""\
import sys
class Hook:
  def find_spec(self, *a): return None
sys.meta_path.insert(0, Hook())
""",
    expect=printed(),
    then=Then("import sys\n[type(f).__name__ for f in sys.meta_path].count('Hook')", gave(0)),
    twin=Twin(
        granted="within the same run it is seen",
        guest="""\
import sys
class Hook:
  def find_spec(self, *a): return None
sys.meta_path.insert(0, Hook())
import sys
[type(f).__name__ for f in sys.meta_path].count('Hook')
""",
        expect=gave(1),
    ),
)
