from pathopipe.viewer.links import field_link, nucleus_link, view_link


def test_a_place_is_written_in_whole_pixels():
    assert view_link(10.4, 20.6, 1999.9) == "#view=10,21,2000"
    assert view_link(10, 20, 0.0) == "#view=10,20,1", "a view is never without width"


def test_a_field_is_shown_around_its_middle():
    assert field_link(100, 200, 400, 200) == "#view=300,300,520"


def test_a_nucleus_is_selected_among_its_neighbors():
    assert nucleus_link(50, 60, 0.25, 7) == "#view=50,60,240&nucleus=7"
