"""Names of people, Japanese with their usual romanisation and Western, as plain lists."""

_JAPANESE_FAMILY = """
佐藤=sato 鈴木=suzuki 高橋=takahashi 田中=tanaka 伊藤=ito 渡辺=watanabe 山本=yamamoto
中村=nakamura 小林=kobayashi 加藤=kato 吉田=yoshida 山田=yamada 佐々木=sasaki 山口=yamaguchi
松本=matsumoto 井上=inoue 木村=kimura 林=hayashi 斎藤=saito 清水=shimizu 山崎=yamazaki 森=mori
池田=ikeda 橋本=hashimoto 阿部=abe 石川=ishikawa 山下=yamashita 中島=nakajima 石井=ishii
小川=ogawa 前田=maeda 岡田=okada 長谷川=hasegawa 藤田=fujita 後藤=goto 近藤=kondo 村上=murakami
遠藤=endo 青木=aoki 坂本=sakamoto 福田=fukuda 西村=nishimura 太田=ota 藤井=fujii 岡本=okamoto
三浦=miura 金子=kaneko 中野=nakano 原田=harada 松田=matsuda 竹内=takeuchi 小野=ono 中山=nakayama
和田=wada 石田=ishida 森田=morita 上田=ueda 柴田=shibata 酒井=sakai 宮崎=miyazaki
渡邉=watanabe 髙橋=takahashi 齋藤=saito 𠮷田=yoshida
"""  # The last line are variants that a system must not fold; 𠮷 is outside the basic plane.
_JAPANESE_GIVEN = """
遥=haruka 翔太=shota 陽菜=hina 蓮=ren 結衣=yui 大輔=daisuke 美咲=misaki 健太=kenta 葵=aoi
拓海=takumi 愛=ai 直樹=naoki さくら=sakura 悠斗=yuto 真由美=mayumi 誠=makoto 恵子=keiko 浩二=koji
由美=yumi 隆=takashi 彩=aya 亮=ryo 奈々=nana 和也=kazuya 千尋=chihiro 学=manabu 優子=yuko
裕太=yuta 香織=kaori 剛=tsuyoshi 明美=akemi 淳=jun 涼子=ryoko 修=osamu 麻衣=mai 一郎=ichiro
瞳=hitomi 達也=tatsuya 菜摘=natsumi 大地=daichi 花=hana 海斗=kaito 凛=rin 徹=toru 智子=tomoko
慎一=shinichi 久美子=kumiko 雄介=yusuke 里奈=rina 武=takeshi
"""
_WESTERN_FAMILY = """
Smith|Jones|Taylor|Brown|Williams|Wilson|Johnson|Davies|Patel|Wright|Walker|O'Brien|Murphy|Kelly
Müller|Schmidt|Schneider|Fischer|Weber|Becker|Schäfer|Dubois|Lefèvre|García|Martínez|Rossi|Ferrari
Novák|Kowalski|Nowak|Lindqvist|Nilsson|Sørensen|Jensen|van der Berg|de Vries|Nguyễn|Chen|Kim|Singh
Khan|Okafor|Mensah|Silva|Santos|Andersson|Virtanen|Mäkinen|Cohen|Papadopoulos|Hughes|Evans|Clarke
Bennett|Foster|Hayes|Brooks|Reed|Ward|Großmann|D'Angelo
"""
_WESTERN_GIVEN = """
Oliver|Amelia|Noah|Zoë|Jack|Sophie|Leo|Mia|Arthur|Ivy|Theo|Freya|Oscar|Grace|Henry|Ella|George|Chloé
Lucas|Emma|Felix|Hannah|Jonas|Clara|Paul|Lena|Emil|Nora|Hugo|Alice|Louis|Inès|Mateo|Lucía|Diego
Sofía|Luca|Giulia|Jakub|Zofia|Erik|Astrid|Lars|Ingrid|Omar|Leila|Arjun|Priya|Wei|Mei|Daniel|Rachel
Samuel|Ruth|Kwame|Ama|Tomás|Beatriz|Anna-Lena|Jean-Pierre
"""


def _romanised(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split())
    return {name: romaji for name, _, romaji in pairs}


# Japanese names to their romanisation, as it stands in user names.
JAPANESE_FAMILY = _romanised(_JAPANESE_FAMILY)
JAPANESE_GIVEN = _romanised(_JAPANESE_GIVEN)
WESTERN_FAMILY = tuple(_WESTERN_FAMILY.strip().replace("\n", "|").split("|"))
WESTERN_GIVEN = tuple(_WESTERN_GIVEN.strip().replace("\n", "|").split("|"))
