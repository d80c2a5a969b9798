"""How the page of a report looks: on light and dark screens, and on paper."""

CSS = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#17212b;--soft:#586673;--line:#dde3e9;--deep:#0b1016;
--good:#14693f;--good-bg:#e2f4e9;--fair:#7d5200;--fair-bg:#fcf0d0;--bad:#a8201a;--bad-bg:#fde6e3;--note:#1b579b;
--note-bg:#e4eefa;--odd:#733a97;--odd-bg:#f3e7fa;--none:#586673;--none-bg:#eceff2;--served:#9db8cf;--span:#f3d9a6}
@media (prefers-color-scheme:dark){:root{--bg:#0e1319;--card:#161d25;--ink:#e7ecf1;--soft:#9aa8b5;--line:#2a3540;
--deep:#0a0e13;--good:#62d59c;--good-bg:#11301f;--fair:#f0c25f;--fair-bg:#33280c;--bad:#ff938a;--bad-bg:#3c1714;
--note:#8abbf4;--note-bg:#12273f;--odd:#d3a7f0;--odd-bg:#2d193a;--none:#9aa8b5;--none-bg:#212932;--served:#4c6a85;
--span:#8a6a20}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,.top>div,footer{max-width:1080px;margin:0 auto;padding:0 24px}
a{color:inherit}
a:focus-visible{outline:3px solid var(--note);outline-offset:2px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.top{background:var(--card);border-bottom:1px solid var(--line);border-top:6px solid var(--good);padding:34px 0 30px}
.top.no{border-top-color:var(--bad)}
.over{margin:0;color:var(--soft);font-size:13px;font-weight:600;letter-spacing:.09em;text-transform:uppercase}
h1{margin:4px 0 18px;font-size:38px;line-height:1.15;letter-spacing:-.02em;font-weight:680}
.three{list-style:none;margin:0;padding:0;display:grid;gap:9px;max-width:820px}
.three li{font-size:18px;line-height:1.5;padding-left:18px;border-left:3px solid var(--line)}
.meta{margin:22px 0 0;color:var(--soft);font-size:13.5px}
.meta span+span::before{content:"·";margin:0 8px}
h2{margin:44px 0 12px;font-size:22px;letter-spacing:-.01em}
h2 small{font-size:14px;font-weight:400;color:var(--soft);letter-spacing:0;margin-left:8px}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
.scroll+.scroll{margin-top:14px}
table{border-collapse:collapse;width:100%;font-size:14.5px}
th,td{text-align:left;padding:9px 14px;border-top:1px solid var(--line);vertical-align:middle}
thead th{border-top:0;color:var(--soft);font-size:12.5px;font-weight:600;white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
tbody th small{display:block;font-weight:400;color:var(--soft);white-space:normal}
.n{text-align:right;font-variant-numeric:tabular-nums}
.grid{width:auto}
.grid tr>:first-child{min-width:184px}
.grid td{padding:5px;min-width:180px;max-width:290px}
.cell{display:block;border-radius:8px;padding:6px 11px;text-decoration:none;line-height:1.3;border:1px solid transparent}
.cell b{font-size:13px;letter-spacing:.02em;font-weight:650}
.cell small{display:block;font-size:12.5px;font-variant-numeric:tabular-nums;opacity:.92}
a.cell:hover{border-color:currentColor}
.empty{color:var(--soft);text-align:center}
.good{color:var(--good);background:var(--good-bg)}.fair{color:var(--fair);background:var(--fair-bg)}
.bad{color:var(--bad);background:var(--bad-bg)}.note-v{color:var(--note);background:var(--note-bg)}
.odd{color:var(--odd);background:var(--odd-bg)}
.gap{color:var(--none);background:transparent;border:1px dashed var(--none)}
.sign{display:inline-block;width:1.25em;font-weight:700}
.tag{display:inline-block;border-radius:999px;padding:3px 13px 3px 10px;font-size:13px;font-weight:650;letter-spacing:.02em;white-space:nowrap}
article{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 24px 18px;margin:0 0 18px;scroll-margin-top:12px}
article header{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center}
article h3{margin:0;font-size:19px;letter-spacing:-.01em}
article h3 span{font-weight:400;color:var(--soft)}
.why{margin:6px 0 12px;color:var(--ink)}
.why em{color:var(--soft);font-style:normal}
figure{margin:10px 0 0;overflow-x:auto}
figure .chart{min-width:660px}
figcaption{font-size:13px;color:var(--soft);margin-bottom:2px}
.chart{display:block;width:100%;height:auto;font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
.chart text{fill:var(--soft)}
.chart .rule{stroke:var(--line);fill:none}
.chart .base{stroke:var(--soft);fill:none;opacity:.6}
.chart .span{fill:var(--span);opacity:.5}
.chart .served{fill:var(--served)}
.chart .hatch{fill:var(--bad)}.chart .hatch-line{stroke:var(--card);stroke-width:2.4;opacity:.55}
.chart .note{fill:transparent}
.chart .band{fill:var(--note);opacity:.14}
.chart .median,.chart .longest{fill:none;stroke:var(--note);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .longest{stroke-width:1.1;stroke-dasharray:4 3;opacity:.85}
.chart .mark path{stroke:var(--soft);stroke-width:1.2;fill:none}.chart .mark text{fill:var(--ink);font-weight:550}
.chart .mark circle{fill:var(--soft);stroke:var(--card);stroke-width:1.5}
.chart .fault path{stroke:var(--fair)}.chart .fault circle{fill:var(--fair)}
.chart .detected path{stroke:var(--note);stroke-dasharray:2 3}.chart .detected circle{fill:var(--note)}
.chart .failover path{stroke:var(--bad);stroke-dasharray:5 3}.chart .failover circle{fill:var(--bad)}
.chart .recovered path{stroke:var(--good);stroke-dasharray:8 3}.chart .recovered circle{fill:var(--good)}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 14px;padding:0;list-style:none;font-size:13px;color:var(--soft)}
.legend .chart{display:inline-block;width:26px;height:12px;vertical-align:-1px;margin-right:7px}
.numbers{display:flex;flex-wrap:wrap;gap:1px;margin:14px 0 12px;background:var(--line);border:1px solid var(--line);border-radius:9px;overflow:hidden}
.numbers div{background:var(--card);padding:8px 14px;flex:1 0 auto}
.numbers dt,.numbers dd{white-space:nowrap}
.numbers dt{font-size:12.5px;color:var(--soft)}
.numbers dd{margin:0;font-size:16.5px;font-weight:600;font-variant-numeric:tabular-nums}
.numbers dd.hurt{color:var(--bad)}
.facts{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;font-size:14px}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
.facts code{background:var(--none-bg);border-radius:5px;padding:2px 7px}
.bar{position:relative;display:block;min-width:150px;height:9px;border-radius:5px;background:var(--none-bg);overflow:hidden}
.bar i{position:absolute;inset:0 auto 0 0;background:var(--note)}
.small{color:var(--soft);font-size:14px;max-width:820px}
.words{display:grid;grid-template-columns:max-content 1fr;gap:7px 16px;align-items:center;font-size:14.5px;margin:0}
.words dd{margin:0}
footer{padding:30px 24px 50px;color:var(--soft);font-size:13px}
@media (max-width:640px){h1{font-size:29px}main,.top>div,footer{padding-left:14px;padding-right:14px}article{padding:14px}
.grid,.grid tbody,.grid tr,.grid td,.grid tbody th{display:block;width:auto}.grid thead,.grid .empty,.wide{display:none}
.grid tr>:first-child,.grid td{min-width:0;max-width:none}.grid td{border-top:0}.grid td::before{content:attr(data-at);display:block;padding:0 3px 2px;font-size:12.5px;color:var(--soft)}
.numbers dt,.numbers dd,.tag{white-space:normal}.three li{font-size:16px}.facts,.words{grid-template-columns:1fr}.facts dd{margin-bottom:6px}}
@media print{:root{color-scheme:light}figure .chart{min-width:0}body{background:#fff;font-size:11pt}.top{padding-top:14px}article,.scroll,tr{break-inside:avoid}
h2{break-after:avoid}.scroll{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
""".strip()
"""The style sheet. No colour stands alone: each verdict has its sign and its word, and what failed is hatched."""
