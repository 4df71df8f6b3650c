from tests.web.scim.service import *

async def test_x(service: Service, idp: IdentityProvider) -> None:
    a = await idp.create_user()
    print(a)
    g = await idp.create_group("G", [a])
    print(g, await idp.read(g))
    # self member
    r = await idp.patch(f"/Groups/{g['id']}", add("members", [{"value": g["id"]}]))
    print(r.status_code, r.text)
    r = await idp.delete(f"/Groups/{g['id']}")
    print(r.status_code, r.text)
    print((await idp.get("/Users/?filter=userName+eq+%22x%22")).text)
    for p in ("/Users?count=%00", "/Users?filter=%00", "/Users?filter=userName%00+eq+%22x%22","/Users?attributes=%00", "/Users?a%00=1&a%00=2", "/Users?filter=userName+eq+%22%00%22", "/Users?filter=password+eq+%22hunter2%22", "/Users?filter=userName+eq+%FF", "/Users/%00", "/Schemas/%00?filter=1", "/Users?startIndex=1%00"):
        r = await idp.get(p)
        print(p, r.status_code, r.text)
    r = await idp.post("/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "b", "x\x00y": 1})
    print(r.text)
    for row in await service.log(): print(row)
