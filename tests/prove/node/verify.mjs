// Verify receipts with nothing but the published keys and the JOSE library.
// Reads {keys, issuer, type, now, asked: [{token, digest}]} and answers [true, false, …].
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const given = JSON.parse(readFileSync(0, "utf8"));
const keys = createLocalJWKSet({ keys: given.keys });
const answers = [];
for (const { token, digest } of given.asked) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["EdDSA"],
      issuer: given.issuer,
      typ: given.type,
      currentDate: new Date(given.now * 1000),
      requiredClaims: ["exp", "nbf", "sub", "jti"],
    });
    answers.push(payload.allowed === true && payload.action_digest === digest);
  } catch {
    answers.push(false);
  }
}
process.stdout.write(JSON.stringify(answers));
