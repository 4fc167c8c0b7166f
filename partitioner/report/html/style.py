"""How the page looks, in light and in dark, and the few lines of script for hovering.

Law: constants. The script writes `textContent` only, so that no name of a model is ever read as markup; it asks
nothing of any network. Which device has which of the colours `--d0`, `--d1`, ... is `palette.py`'s.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--ink:#15191d;--soft:#5b6570;--line:#e2e5e9;--track:#eef0f3;
--d0:#1769c2;--d1:#d0620a;--d2:#0e8a6d;--d3:#8a4fbf;--wire:#8894a1;--home:#b9c1ca;--good:#0b7a43;--warn:#a15c00;
--bad:#b3261e;--goodbg:#e3f4ea;--warnbg:#fdf0da;--c0:#1769c2;--c1:#d0620a;--c2:#0e8a6d;--c3:#8a4fbf;--c4:#c2386b;
--c5:#6b7a0f;--c6:#4b5a68;--c7:#00838f}
@media(prefers-color-scheme:dark){:root{--bg:#101317;--card:#191d22;--ink:#e8ebee;--soft:#9aa5b1;--line:#2b3138;
--track:#242a31;--d0:#5aa9f5;--d1:#f2954a;--d2:#4cc4a4;--d3:#bd92ea;--wire:#7d8995;--home:#525c67;--good:#58cf92;
--warn:#f0b45c;--bad:#ff8a80;--goodbg:#14301f;--warnbg:#33270f;--c0:#5aa9f5;--c1:#f2954a;--c2:#4cc4a4;--c3:#bd92ea;
--c4:#f083aa;--c5:#bccb52;--c6:#a3b1bf;--c7:#4fd0dc}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%;overflow-wrap:anywhere}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:28px;line-height:1.2;margin:2px 0 2px;font-weight:650;letter-spacing:-.01em}
.choice{font-size:16px;margin:0 0 10px}
h2{font-size:16px;margin:0 0 4px;font-weight:650}
h3{font-size:13px;margin:14px 0 4px;color:var(--soft);font-weight:600}
p{margin:0 0 8px}.soft{color:var(--soft)}.small{font-size:13px}.num{font-variant-numeric:tabular-nums}
.eyebrow{color:var(--soft);font-size:12px;letter-spacing:.06em;text-transform:uppercase}
.lead{font-size:19px;line-height:1.4;margin:10px 0 8px;max-width:46em;text-wrap:balance}
.pill{display:inline-block;padding:2px 11px;border-radius:99px;font-weight:600;font-size:13px;background:var(--track)}
.pill.good{background:var(--goodbg);color:var(--good)}.pill.warn{background:var(--warnbg);color:var(--warn)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:1px;background:var(--line);
border:1px solid var(--line);border-radius:10px;overflow:hidden;margin:16px 0}
.fact{background:var(--card);padding:10px 14px}.fact b{display:block;font-size:20px;font-weight:620;line-height:1.3}
.fact span{color:var(--soft);font-size:12.5px}
section{break-inside:avoid;margin:0 0 14px}
@media(min-width:860px){.grid{columns:2;column-gap:14px}.wide{column-span:all}
#graph{margin-top:14px}}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px;min-width:0}
section>p.small{margin-bottom:10px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th{font-weight:600;color:var(--soft);text-align:left;font-size:12.5px;white-space:nowrap}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}.right{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.whole{white-space:nowrap}tr.on td{font-weight:620}
code{font:12.5px/1.4 ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace}
.plan{display:grid;grid-template-columns:minmax(0,15em) minmax(0,1fr) 9.8em;gap:2px 14px;align-items:center;
padding:7px 0;border-bottom:1px solid var(--line)}.plan:last-child{border-bottom:0}
.plan.slim{grid-template-columns:minmax(0,7em) minmax(0,1fr) 6.4em}
.plan .title{line-height:1.3}.plan.on .title{font-weight:650}.plan.off{opacity:.62}
.plan .figure{text-align:right;line-height:1.3}.plan .why{grid-column:1/-1;font-size:12.5px;color:var(--soft)}
@media(max-width:640px){.plan{grid-template-columns:minmax(0,1fr) auto}
.plan .bar,.plan.slim .bar{grid-column:1/-1;grid-row:2}
.plan.slim{grid-template-columns:minmax(0,1fr) auto}
header{padding-top:18px}h1{font-size:24px}.lead{font-size:17px}section{padding:14px 13px}}
.tagged{display:inline-block;font-size:11.5px;font-weight:600;border-radius:4px;padding:0 5px;margin-left:6px;
background:var(--track);color:var(--soft);vertical-align:1px;white-space:nowrap}
.tagged.good{background:var(--goodbg);color:var(--good)}.tagged.warn{background:var(--warnbg);color:var(--warn)}
.bar{position:relative;height:18px;background:var(--track);border-radius:4px}
.bar i{position:absolute;top:0;bottom:0;min-width:1px}.bar i:first-child{border-radius:4px 0 0 4px}
.bar u{position:absolute;top:-3px;bottom:-3px;width:3px;margin-left:-1.5px;background:var(--ink);border-radius:2px;
box-shadow:0 0 0 1px var(--card)}
.d0{background:var(--d0)}.d1{background:var(--d1)}.d2{background:var(--d2)}.d3{background:var(--d3)}
.wire{background:repeating-linear-gradient(45deg,var(--wire) 0 4px,transparent 4px 7px),var(--home)}
.home{background:var(--home)}.ghost{background:var(--home);opacity:.55}.mark{background:var(--ink)}
.legend{display:flex;flex-wrap:wrap;gap:3px 16px;font-size:12.5px;color:var(--soft);margin:8px 0 2px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.legend i.line{height:3px;vertical-align:3px;width:16px}.legend .on{color:var(--ink);font-weight:620}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--soft);font-size:11px;font-family:inherit}
svg text.ink{fill:var(--ink);font-weight:600;paint-order:stroke;
stroke:var(--card);stroke-width:3px}
@media(max-width:640px){svg text{font-size:14.5px}}
.axis{stroke:var(--line);stroke-width:1}.flip{stroke:var(--soft);stroke-dasharray:3 3}
.now{stroke:var(--ink);stroke-width:1.5}.hit{fill:transparent}.hit:hover{fill:var(--ink);fill-opacity:.06}
.curve{fill:none;stroke-width:1.6;stroke-linejoin:round}.curve.on{stroke-width:3.2}
.full{fill:none;stroke:var(--ink);stroke-width:1.6;stroke-dasharray:1 4;stroke-linecap:round}
.area{fill:var(--wire);fill-opacity:.28;stroke:var(--wire)}
.graph{max-height:620px;overflow:auto;border:1px solid var(--line);border-radius:8px;font-size:12.5px;
overscroll-behavior:auto;position:relative}
.graph .canvas{position:relative}.graph svg{position:absolute;top:0;left:0;pointer-events:none}
.row{display:grid;grid-template-columns:minmax(0,1.1fr) minmax(0,1fr) 58px 74px;gap:10px;align-items:center;height:20px;
padding-right:10px;white-space:nowrap;line-height:20px}
.row:hover{background:var(--track)}.row .n{overflow:hidden;text-overflow:ellipsis;
font:12px/20px ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace}
.row .t{position:relative;height:12px}.row .t i{position:absolute;inset:0 auto 0 0;border-radius:2px;min-width:1px}
.row .b{text-align:right;color:var(--soft);font-variant-numeric:tabular-nums}
.row.head{position:sticky;top:0;z-index:2;background:var(--card);color:var(--soft);font-size:12px;
border-bottom:1px solid var(--line)}.row.head .n{font:inherit;line-height:20px}
.row.head .t{height:20px;overflow:hidden;text-overflow:ellipsis}
.row.end .n{color:var(--soft);font-family:inherit}
.cut{height:44px;display:flex;flex-direction:column;justify-content:center;line-height:1.25;padding-right:10px;
background:var(--warnbg);border-block:1.5px dashed var(--warn);white-space:nowrap;overflow:hidden}
.cut b,.cut span{overflow:hidden;text-overflow:ellipsis}.cut span{color:var(--soft)}
@media(max-width:640px){.row{grid-template-columns:minmax(0,1fr) 40px 52px 58px;gap:6px}}
.edge{fill:none;stroke:var(--wire);stroke-width:1.4}.edge.cross{stroke:var(--warn);stroke-width:2.4}
.n0{fill:var(--d0)}.n1{fill:var(--d1)}.n2{fill:var(--d2)}.n3{fill:var(--d3)}.nx{fill:var(--soft)}.nk{fill:var(--ink)}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}
.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}
.k4{background:var(--c4)}.k5{background:var(--c5)}.k6{background:var(--c6)}.k7{background:var(--c7)}
ul{margin:4px 0 0;padding-left:18px}li{margin:3px 0}
#tip{position:fixed;z-index:9;max-width:min(340px,92vw);background:var(--ink);color:var(--bg);border-radius:7px;
padding:6px 10px;font-size:12.5px;line-height:1.45;white-space:pre-line;pointer-events:none}
footer{color:var(--soft);font-size:12.5px;padding:4px 16px 30px}
@media print{.graph{max-height:none}section{break-inside:avoid}}
"""

SCRIPT = """
(function(){
  "use strict";
  var tip=document.getElementById("tip");
  function show(event){
    var from=event.target.closest?event.target.closest("[data-tip]"):null;
    if(!from){tip.hidden=true;return}
    tip.textContent=from.getAttribute("data-tip");
    tip.hidden=false;
    var x=event.clientX+14,y=event.clientY+16;
    if(x+tip.offsetWidth>window.innerWidth-8)x=Math.max(8,window.innerWidth-8-tip.offsetWidth);
    if(y+tip.offsetHeight>window.innerHeight-8)y=Math.max(8,event.clientY-10-tip.offsetHeight);
    tip.style.left=x+"px";tip.style.top=y+"px";
  }
  document.addEventListener("pointermove",show);
  document.addEventListener("pointerdown",show);
  document.addEventListener("scroll",function(){tip.hidden=true},true);
  var graph=document.querySelector(".graph"),cut=graph&&graph.querySelector(".cut");
  if(cut)graph.scrollTop=Math.max(0,cut.offsetTop-graph.clientHeight/2);
  document.documentElement.setAttribute("data-ready","yes");
})();
"""
