"""What labs give to students: a check under each exercise, a summary, a file to hand in.

The checks here help to learn: they run in the student's own notebook and decide no mark.
"""

from convbook.lab.checking import CheckFailed
from convbook.lab.session import Lab, LabError

__all__ = ["CheckFailed", "Lab", "LabError"]
