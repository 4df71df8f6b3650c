import asyncio, sys, tempfile, subprocess, time, json, random
from pathlib import Path
import msgspec
from tests.reliability.nodes import Nodes
from tests.reliability.inspection import *
from tests.reliability.clients import Load
from tests.reliability.ledger import read_ledger
from tests.reliability.checkers import every_problem
from tests.reliability.wire import Wire
async def main(url, kills):
    d=Path(tempfile.mkdtemp(prefix="rel"))
    token=await prepare(url)
    rng=random.Random(1)
    t0=time.time()
    async with Nodes(url,d) as nodes:
        load=Load(nodes.ports,token,str(d/"ledger"),1)
        p=subprocess.Popen([sys.executable,"-m","tests.reliability.clients"],stdin=subprocess.PIPE,stdout=subprocess.PIPE)
        p.stdin.write(msgspec.json.encode(load)+b"\n"); p.stdin.flush()
        print(await asyncio.to_thread(p.stdout.readline), time.time()-t0)
        slow=[]
        for k in range(kills):
            await asyncio.sleep(rng.uniform(.2,.6))
            n=nodes.each[k%len(nodes.each)]
            n.kill(); n.start(); slow.append(await n.ready())
        await asyncio.sleep(.3)
        p.stdin.close(); print("exit", await asyncio.to_thread(p.wait), time.time()-t0)
        wire=Wire(nodes.ports[0],token)
        db=await open_database(url)
        state=await read_state(wire.ask, db)
        print(await damage(db))
        await db.close(); wire.close()
    ops=read_ledger(d/"ledger")
    from collections import Counter
    print(Counter((o.kind,o.end.outcome) for o in ops))
    print(max(slow), time.time()-t0)
    pr=every_problem(ops,state)
    print(len(pr), pr[:10], time.time()-t0)
asyncio.run(main(sys.argv[1],int(sys.argv[2])))
