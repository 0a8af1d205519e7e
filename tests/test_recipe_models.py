"""What brings another model: the recipe efficientnet_lite0."""

import pytest
from gradio.media import get_image
from gradio_client import handle_file
from recipes_made import make_app, running


@pytest.mark.recipes
def test_after_two_changed_lines_a_lion_is_a_lion(tmp_path, python_of_recipes):
    folder = make_app(tmp_path, "efficientnet_lite0")
    assert not (folder / "download_model.py").exists()
    with running(folder, python_of_recipes) as (_, client):
        for photo in ("lion", "cheetah"):
            prediction = client.predict(handle_file(get_image(f"{photo}.jpg")), api_name="/predict")
            assert prediction["label"] == photo
