"""Which models of the catalogue can play which part in a room."""

import dataclasses
import re
from collections.abc import Sequence

from data_pipelines.furnished.assets import Piece

Catalog = dict[str, list[Piece]]
MAX_BYTES = 420_000  # of an OBJ file; larger ones cost time, not looks


@dataclasses.dataclass(frozen=True)
class Rule:
  """A part: models whose name matches and whose size (metres) fits."""

  names: str
  not_keys: str = "$^"
  least: tuple[float, float, float] = (0.0, 0.0, 0.0)
  most: tuple[float, float, float] = (9.0, 9.0, 9.0)
  bytes: int = MAX_BYTES


_BIG = 1_000_000
RULES = {
  "sofa": Rule("(?!corner|burlap).*(sofa|couch)", "convert|rattan|^corner",
               least=(1.3, 0.6, 0.6), most=(2.9, 1.1, 1.1), bytes=_BIG),
  "armchair": Rule(".*armchair|fotel|puff", "office|rattan|ottoman",
                   most=(1.15, 1.0, 1.05)),
  "coffee_table": Rule("coffee table|table", least=(0.7, 0.4, 0.3),
                       most=(1.5, 0.8, 0.56)),
  "tv_stand": Rule("tv stand|box$", "box_room|ammo|Scopia/box$",
                   least=(1.0, 0.3, 0.3), most=(2.2, 0.6, 0.7)),
  "tv": Rule("tv 16:9|tv$|wall flat tv", least=(0.5, 0.0, 0.3), bytes=_BIG),
  "bookcase": Rule("bookcase|shelves|full bookcase|vertical shelves",
                   "office_furniture", least=(0.4, 0.2, 0.7),
                   most=(2.0, 0.6, 2.3)),
  "cabinet": Rule("dresser.*|cupboard|chest$|shelves|drawers cabinet|box$",
                  "ammo|Scopia/box$|kids", least=(0.6, 0.3, 0.6),
                  most=(1.8, 0.6, 1.6)),
  "plant": Rule(".*plant|ficus|yucca|bonsai.*|.*palm|bamboo|tulips|.*tree",
                "littlePlant|christmas|coconut|arbolito|Tree|CC-0/bamboo",
                least=(0.2, 0.2, 0.3), most=(1.1, 1.1, 1.9), bytes=_BIG),
  "floor_lamp": Rule("lamp|pedestal.*", least=(0.2, 0.2, 0.75),
                     most=(0.6, 0.6, 1.6)),
  "fireplace": Rule("fireplace"),
  "piano": Rule("upright piano|grand piano", bytes=_BIG),
  "guitar": Rule("electric guitar", bytes=1_100_000),
  "bed": Rule("(?!air|baby|bunk|hospital|child|captain|day).*bed$|futon",
              "hospital|children", least=(1.3, 1.8, 0.15), bytes=_BIG),
  "small_bed": Rule("captain's bed|child bed|day bed|crib|mezzanine bed",
                    "children_bed", least=(0.6, 0.9, 0.5), bytes=900_000),
  "bedside": Rule("bedside table"),
  "wardrobe": Rule("wardrobe|cupboard", least=(0.8, 0.3, 1.4)),
  "dressing": Rule("dressing table|dresser.*"),
  "desk": Rule("desk( table)?$", "custom|kids", least=(0.9, 0.5, 0.6),
               most=(2.0, 0.9, 1.2), bytes=500_000),
  "small_desk": Rule("wooden desk|desk table", bytes=500_000,
                     most=(1.3, 0.7, 0.9)),
  "office_chair": Rule("chair|armchair", "lounge", least=(0.5, 0.5, 0.85),
                       most=(0.66, 0.66, 1.1), bytes=700_000),
  "chair": Rule("(?!deck|child|folding|beach|relax|bar|armchair).*chair.*",
                "rm|office|silla_teca|ext_|leaf|design|class|wheel|electric|"
                "desk|cafe-chair|rattan|ryokan|moon|baby|plastic",
                least=(0.35, 0.35, 0.7), most=(0.6, 0.65, 1.2),
                bytes=320_000),
  "dining_table": Rule("(?!coffee|folding|bedside|dress|child).*table.*",
                       "rattan|tennis|football|pool|changing|cafe|technical|"
                       "bar_|desk_table|black_table|glass",
                       least=(0.7, 0.6, 0.68), most=(2.4, 1.3, 0.92)),
  "filing": Rule("filing cabinet|safe|drawers cabinet", most=(0.7, 0.7, 1)),
  "board": Rule("white board"),
  "water": Rule("water cooler"),
  "lower": Rule("(?!corner).*lower cabinet|.*drawers cabinet", "orner",
                least=(0.4, 0.5, 0.8), most=(1.1, 0.7, 0.95)),
  "sink": Rule("sink( cabinet)?$", least=(0.5, 0.5, 0.8), bytes=500_000),
  "oven": Rule("cooker|double oven|large stove|washing machine|"
               "clothes washing machine|dryer machine|oven",
               least=(0.5, 0.5, 0.7), most=(1.1, 0.75, 1.2)),
  "upper": Rule("upper.*cabinet|.*glass door cabinet", "orner",
                least=(0.3, 0.2, 0.5), most=(1.2, 0.5, 0.9)),
  "fridge": Rule("fridge|large fridge|refrigerator|high cabinet",
                 least=(0.5, 0.5, 1.2), bytes=600_000),
  "island": Rule("island.*"),
  "bath": Rule("bath$|island bath|shower stall", bytes=700_000),
  "toilet": Rule("toilets unit|bidet", bytes=500_000),
  "vanity": Rule("vanity|washbasin|double vanity", most=(2.0, 0.9, 1.2),
                 least=(0.4, 0.3, 0.7), bytes=900_000),
  "basket": Rule("clothes basket|bullet trash can|dustbin|suitcase|.*trunck"),
  "washer": Rule("clothes washing machine|washing machine|dryer machine"),
  "game": Rule("table tennis|treadmill|indoor bike|abdominal bench|"
               "punching ball|football table|pool table|flipper",
               bytes=_BIG),
  "speaker": Rule("speaker"),
  "aquarium": Rule("aquarium"),
  "toy_floor": Rule("rocking horse|doll house|basketball|soccer ball|"
                    "teddy bear|gift|children table", bytes=_BIG),
  "radiator": Rule("radiator", "towels|bathroom|radiator1", bytes=500_000,
                   most=(1.5, 0.3, 0.8)),
  "top_living": Rule("vase|radio|candle|.*plant|bonsai.*|orchids|book|"
                     "bowl with fruits|lamp|little lamp|wireless phone|"
                     "apples|clock|mini stereo", "living_lamp|maceta",
                     most=(0.5, 0.5, 0.75), least=(0.08, 0.08, 0.08),
                     bytes=_BIG),
  "top_desk": Rule("apple i.*|laptop|phone|desk lamp|.*printer.*|letter tray|"
                   "penbox|lamp|book|calendar|globe", bytes=700_000,
                   least=(0.07, 0.07, 0.06), most=(0.6, 0.6, 0.7)),
  "top_kitchen": Rule("microwave|toaster|coffee maker|coffee brewer|bowl.*|"
                      "bread box|boiler|utensils pot|wine bottle|kitchen scale|"
                      "paper towel holder|pottery|spice tower|small oven|"
                      "apples|coffee press|knife stand|blender", bytes=900_000,
                      least=(0.06, 0.06, 0.1), most=(0.7, 0.6, 0.5)),
  "top_dining": Rule("plate, .*|bowl.*|wine bottle|vase|.*flowers|tulips|"
                     "candle|birthday cake|teapot|apples",
                     most=(0.5, 0.45, 0.6), bytes=_BIG),
  "top_kids": Rule("rubik's cube|toy train|xylophone|doll|teddy bear|car model|"
                   "helmet|backpack|globe|book", bytes=_BIG,
                   least=(0.06, 0.06, 0.06)),
  "rug": Rule("oriental rug|round carpet"),
  "door": Rule("(exterior )?door", "elevator|garage",
               most=(1.06, 0.3, 2.2)),
  "window": Rule("(double|triple|quadruple|turn|sliding|.*hung).*window.*",
                 "arched", most=(2.6, 0.4, 2.3)),
  "hanging": Rule("hanging light|lamp$|ceiling fan|pendant lamp",
                  least=(0.1, 0.2, 0.3), most=(1.0, 1.0, 0.9)),
  "curtain": Rule("curtain"),
}  # fmt: skip


def catalogue(pieces: Sequence[Piece]) -> Catalog:
  """The models that can play each part; some play several, some none."""
  found: Catalog = {}
  for part, rule in RULES.items():
    names = re.compile(rule.names, re.IGNORECASE)
    banned = re.compile(rule.not_keys)
    found[part] = [
      piece
      for piece in pieces
      if names.fullmatch(piece.name)
      and not banned.search(piece.key)
      and piece.bytes <= rule.bytes
      and piece.category not in ("Vehicles", "Characters")
      and (piece.category != "Exterior")
      and (piece.elevation > 1.5) == (part in _HIGH)
      and all(
        a <= b <= c
        for a, b, c in zip(rule.least, piece.size, rule.most, strict=True)
      )
    ]
  # Cabinets that hang on a wall are listed at 1.45 m.
  found["upper"] = [p for p in pieces if _is_upper(p)]
  return found


_HIGH = ("hanging",)


def _is_upper(piece: Piece) -> bool:
  rule = RULES["upper"]
  return bool(
    re.fullmatch(rule.names, piece.name, re.IGNORECASE)
    and not re.search(rule.not_keys, piece.key)
    and piece.bytes <= rule.bytes
    and piece.elevation > 1.3
    and piece.size[0] <= rule.most[0]
  )
