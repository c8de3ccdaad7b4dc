// Verify webhooks with nothing but the Standard Webhooks library.
// Reads [{secret, headers, body}] and answers [true, false, …].
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const answers = [];
for (const { secret, headers, body } of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new Webhook(secret).verify(body, headers);
    answers.push(true);
  } catch {
    answers.push(false);
  }
}
process.stdout.write(JSON.stringify(answers));
