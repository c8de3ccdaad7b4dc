// Verify webhooks signed with a key pair, with nothing but what node itself knows of Ed25519.
// Reads [{secret, headers, body}], the secret being `whpk_…`, and answers [true, false, …].
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

function believed({ secret, headers, body }) {
  if (!secret.startsWith("whpk_")) return false;
  const x = Buffer.from(secret.slice(5), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const at = Number(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - at) <= 300)) return false;
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  return headers["webhook-signature"].split(" ").some((one) => {
    const [version, signature] = one.split(",");
    return version === "v1a" && verify(null, Buffer.from(signed), key, Buffer.from(signature, "base64"));
  });
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(believed)));
