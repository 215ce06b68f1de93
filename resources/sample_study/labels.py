"""Labels of the drawn segments, and where the nodule lies."""

RIGHT_LUNG, LEFT_LUNG, NODULE = 1, 2, 3
NODULE_CENTRE = (78.0, 38.0, -42.0)  # mm in the drawn chest
