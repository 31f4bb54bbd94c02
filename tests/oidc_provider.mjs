// A certified OpenID provider for the tests: everybody whom PEOPLE names, with any password.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { ISSUER, HAKAM, CLIENT, SECRET, PEOPLE } = process.env;
const people = JSON.parse(PEOPLE);

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: CLIENT,
      client_secret: SECRET,
      redirect_uris: [`${HAKAM}/console/sso/answer`],
      post_logout_redirect_uris: [`${HAKAM}/console/login`],
      backchannel_logout_uri: `${HAKAM}/console/sso/logout`,
      backchannel_logout_session_required: true,
    },
  ],
  cookies: { keys: [SECRET] },
  claims: { profile: ["name", "preferred_username", "groups"] },
  features: { backchannelLogout: { enabled: true } },
  // Its own way to ask refuses addresses of this machine, where Hakam is in the tests.
  fetch: (url, { dispatcher: _guard, ...options }) => fetch(url, options),
  findAccount: (_context, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
});
createServer(provider.callback()).listen(new URL(ISSUER).port, "127.0.0.1");
