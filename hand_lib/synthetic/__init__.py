from hand_lib.synthetic.picture import render
from hand_lib.synthetic.scene import EASY, WIDE, SceneConfig
__all__=["EASY","WIDE","SceneConfig","render"]
