/** Outputs of tools for tests, made from a seed: with secrets in them in every shape and encoding, and with nothing but ordinary text. */
import { createHash } from 'node:crypto'
import { seededNumbers } from '../base/random-fixture.ts'

export interface PlantedOutput {
  readonly text: string
  readonly shape: string
  /** What must not be seen. */
  readonly planted: readonly string[]
}

function createDice(seed: number) {
  const next = seededNumbers(seed)
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!
  const word = (alphabet: string, length: number): string => Array.from({ length }, () => alphabet[below(alphabet.length)]).join('')
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)))
  return { below, pick, word, bytes }
}

type Dice = ReturnType<typeof createDice>

const small = 'abcdefghijklmnopqrstuvwxyz'
const digits = '0123456789'
const alphanumeric: string = small + small.toUpperCase() + digits

/** A value of letters of both cases, digits and signs, each at least once. */
function password({ word, below, pick }: Dice, signs: string): string {
  return (
    word(alphanumeric, 3 + below(8)) +
    pick(signs.split('')) +
    pick(digits.split('')) +
    pick(small.split('')) +
    pick(small.toUpperCase().split('')) +
    word(alphanumeric, 4 + below(10))
  )
}

const encodings: Readonly<Record<string, (value: string) => string>> = {
  plain: (value) => value,
  json: (value) => JSON.stringify(value),
  'json in json': (value) => JSON.stringify(JSON.stringify({ v: value })),
  base64: (value) => Buffer.from(value).toString('base64'),
  'base64 at 1': (value) => Buffer.from(`x${value}y`).toString('base64'),
  'base64 at 2': (value) => Buffer.from(`{"${value}"}`).toString('base64'),
  base64url: (value) => Buffer.from(value).toString('base64url'),
  hex: (value) => Buffer.from(value).toString('hex'),
  HEX: (value) => Buffer.from(value).toString('hex').toUpperCase(),
  url: (value) => encodeURIComponent(value),
  'url in small letters': (value) => encodeURIComponent(value).replaceAll(/%../g, (code) => code.toLowerCase()),
  form: (value) => new URLSearchParams({ q: value }).toString(),
}

/** @returns the value and what would reveal it in another encoding: without the ends, which depend on what surrounds it */
function traces(value: string): readonly string[] {
  const [raw, hex] = [Buffer.from(value), Buffer.from(value).toString('hex')]
  const base64 = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), raw])
      .toString('base64')
      .slice(4, -5),
  )
  return [value, hex, hex.toUpperCase(), encodeURIComponent(value), JSON.stringify(value).slice(1, -1), ...base64].filter(
    (each) => each.length >= 6,
  )
}

export function knownSecrets(seed: number, count = 20): ReadonlyMap<string, string> {
  const dice = createDice(seed)
  return new Map(
    Array.from({ length: count }, (_, i) => [`KNOWN_${i}`, i % 5 === 4 ? `${password(dice, '"\\/&é')}ü` : password(dice, '!?/+= "')]),
  )
}

const shapes: Readonly<Record<string, (dice: Dice) => readonly [text: string, value: string]>> = {
  env: (dice) =>
    around(
      password(dice, '!@#%^*-_+&;'),
      (it) => `${dice.pick(['DB_PASSWORD', 'export API_TOKEN', 'JWT_SECRET', 'AWS_SECRET_ACCESS_KEY'])}=${it}`,
    ),
  yaml: (dice) =>
    around(password(dice, '!@%^*-_+'), (it) => `  ${dice.pick(['password', 'apiKey', 'client_secret', 'auth-token'])}: ${it}`),
  json: (dice) =>
    around(
      password(dice, '!@#$%^*-_+,;'),
      (it) => `{"user": "ada", "${dice.pick(['password', 'accessToken', 'clientSecret', 'api_key'])}": "${it}", "n": 1}`,
    ),
  'json in json': (dice) => around(password(dice, '!@#%^*-_+'), (it) => JSON.stringify({ body: JSON.stringify({ password: it }) })),
  code: (dice) => around(password(dice, '!@#%^*-_+'), (it) => `const ${dice.pick(['password', 'apiSecret', 'accessKey'])} = '${it}';`),
  header: (dice) =>
    around(dice.word(`${alphanumeric}-_`, 20 + dice.below(40)) + dice.word(digits, 2) + 'aZ', (it) => `Authorization: Bearer ${it}`),
  basic: (dice) => around(dice.bytes(24).toString('base64'), (it) => `> Authorization: Basic ${it}`),
  query: (dice) =>
    around(dice.word(alphanumeric, 12) + dice.word(digits, 2) + 'qX', (it) => `GET /v1/users?access_token=${it}&page=2 HTTP/1.1`),
  'url password': (dice) => around(`${dice.word(alphanumeric, 10)}7Qz`, (it) => `DATABASE=postgres://ada:${it}@db.example.org:5432/app`),
  aws: (dice) => around(`AKIA${dice.word(`${small.toUpperCase()}234567`, 16)}`, (it) => `id ${it} in eu-west-1`),
  github: (dice) => around(`gh${dice.pick(['p', 'o', 's'])}_${dice.word(alphanumeric, 36)}`, (it) => `remote: ${it}`),
  'github fine': (dice) => around(`github_pat_${dice.word(alphanumeric, 22)}_${dice.word(alphanumeric, 59)}`, (it) => `"${it}"`),
  openai: (dice) => around(`sk-${dice.pick(['', 'proj-'])}${dice.word(alphanumeric, 48)}`, (it) => `key ${it}.`),
  anthropic: (dice) => around(`sk-ant-api03-${dice.word(`${alphanumeric}-_`, 90)}AA`, (it) => `(${it})`),
  slack: (dice) => around(`xoxb-${dice.word(digits, 12)}-${dice.word(digits, 13)}-${dice.word(alphanumeric, 24)}`, (it) => `bot=${it}`),
  google: (dice) => around(`AIza${dice.word(`${alphanumeric}-_`, 35)}`, (it) => `maps?key=${it}`),
  stripe: (dice) => around(`sk_live_${dice.word(alphanumeric, 24)}`, (it) => it),
  npm: (dice) => around(`npm_${dice.word(alphanumeric, 36)}`, (it) => `//registry.npmjs.org/:_authToken=${it}`),
  jwt: (dice) => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    return around(
      `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: dice.word(digits, 10) })}.${dice.bytes(32).toString('base64url')}`,
      (it) => `Set-Cookie: s=${it}; Path=/`,
    )
  },
  pem: (dice) => {
    const body =
      dice
        .bytes(1_190)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    const kind = dice.pick(['RSA PRIVATE KEY', 'PRIVATE KEY', 'EC PRIVATE KEY', 'OPENSSH PRIVATE KEY'])
    return around([`-----BEGIN ${kind}-----`, ...body, `-----END ${kind}-----`].join('\n'), (it) => it)
  },
}

function around(value: string, line: (value: string) => string): readonly [text: string, value: string] {
  return [line(value), value]
}

export function plantedOutputs(seed: number, count: number, known: ReadonlyMap<string, string>): readonly PlantedOutput[] {
  const dice = createDice(seed)
  const values = [...known.values()]
  return Array.from({ length: count }, (_, i): PlantedOutput => {
    const [before, after] = [ordinaryOutput(dice, i), ordinaryOutput(dice, i + 7)]
    if (i % 2 === 0) {
      const value = dice.pick(values)
      const [how, encode] = dice.pick(Object.entries(encodings))
      return { shape: `known, ${how}`, planted: traces(value), text: `${before.text}\n<${encode(value)}>\n${after.text}` }
    }
    const [shape, make] = dice.pick(Object.entries(shapes))
    const [line, value] = make(dice)
    const lines = value.includes('\n') ? value.split('\n').filter((each) => !each.startsWith('-----')) : [value]
    return { shape, planted: lines, text: `${before.text}\n${line}\n${after.text}` }
  })
}

const words = 'the build of a module failed because file system could not open path user session key token value password reset'.split(' ')
const hashOf = (dice: Dice, algorithm: string): Buffer => createHash(algorithm).update(dice.bytes(8)).digest()

function uuid({ bytes, pick }: Dice): string {
  const hex = bytes(16).toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    pick(['4', '7', '1']) + hex.slice(13, 16),
    pick(['8', 'a', 'b']) + hex.slice(17, 20),
    hex.slice(20),
  ].join('-')
}

/** By kind; none is a secret. */
const ordinary: Readonly<Record<string, (dice: Dice) => string>> = {
  prose: (dice) => Array.from({ length: 12 }, () => dice.pick(words)).join(' '),
  uuid: (dice) => `session ${uuid(dice)} turn=${uuid(dice).toUpperCase()} {"id":"${uuid(dice)}"} call ${uuid(dice)}.3`,
  'git log': (dice) =>
    `commit ${hashOf(dice, 'sha1').toString('hex')}\nindex ${hashOf(dice, 'sha1').toString('hex').slice(0, 8)}..${hashOf(dice, 'sha1').toString('hex').slice(0, 8)} 100644`,
  hashes: (dice) =>
    dice
      .pick(['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'blake2b512'])
      .replace(/^.*$/, (name) => `${hashOf(dice, name).toString('hex')}  dist/app.js`),
  'package lock': (dice) =>
    `"node_modules/left-pad": {"version": "1.3.${dice.below(9)}", "resolved": "https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz", "integrity": "sha512-${hashOf(dice, 'sha512').toString('base64')}"}`,
  'yarn lock': (dice) =>
    `  resolved "https://registry.yarnpkg.com/a/-/a-1.0.0.tgz#${hashOf(dice, 'sha1').toString('hex')}"\n  integrity sha1-${hashOf(dice, 'sha1').toString('base64')}`,
  'go sum': (dice) =>
    `golang.org/x/text v0.3.${dice.below(9)} h1:${hashOf(dice, 'sha256').toString('base64')}\ngolang.org/x/text v0.3.0/go.mod h1:${hashOf(dice, 'sha256').toString('base64')}`,
  'cargo lock': (dice) => `checksum = "${hashOf(dice, 'sha256').toString('hex')}"`,
  'pip hash': (dice) => `    --hash=sha256:${hashOf(dice, 'sha256').toString('hex')} \\`,
  nix: (dice) => `sha256 = "sha256-${hashOf(dice, 'sha256').toString('base64')}";`,
  image: (dice) => `<img src="data:image/png;base64,iVBORw0KGgo${dice.bytes(300).toString('base64')}">`,
  'html integrity': (dice) =>
    `<script src="a.js" integrity="sha384-${hashOf(dice, 'sha384').toString('base64')}" crossorigin="anonymous"></script>`,
  certificate: (dice) =>
    [
      '-----BEGIN CERTIFICATE-----',
      ...(dice
        .bytes(600)
        .toString('base64')
        .match(/.{1,64}/g) ?? []),
      '-----END CERTIFICATE-----',
    ].join('\n'),
  'public key': (dice) => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA${dice.bytes(30).toString('base64')} ada@host`,
  digest: (dice) => `docker.io/library/node@sha256:${hashOf(dice, 'sha256').toString('hex')}`,
  paths: (dice) =>
    `/usr/lib/node_modules/npm/${dice.word(small, 8)}/${dice.word(small + digits, 12)}.js:${dice.below(900)}:${dice.below(80)} C:\\Users\\Ada\\${dice.word(small, 9)}.txt`,
  css: (dice) =>
    `.btn-${dice.word(small, 6)}{color:#${dice.bytes(3).toString('hex')};background:url(img/${dice.word(small, 20)}.svg);margin:0 ${dice.below(20)}px}`,
  minified: (dice) =>
    `function ${dice.word(small, 1)}(e,t){return e.password===t.token?void 0:e&&e.__esModule?e:{default:e,secret:t[${dice.below(99)}]}}var n={token:function(){return r.get("x")},apiKey:e.apiKey||null};`,
  code: (dice) =>
    `interface User { password: string; token?: string | null; secret: Buffer${dice.below(9)} }\nconst token = await getToken(user.id)\nif (password !== confirmPassword2) throw new Error('password mismatch')\napi_key = os.environ["API_KEY_${dice.below(9)}"]`,
  config: (dice) =>
    `max_tokens: ${dice.below(90_000)}\ntoken_type: "bearer"\npassword: \${DB_PASSWORD}\napi_key_env = "OPENAI_API_KEY"\nsecretName: my-app-tls-${dice.below(9)}\ntoken_endpoint: https://id.example.org/oauth2/v${dice.below(9)}/token`,
  'form html': (dice) =>
    `<input type="password" id="password${dice.below(9)}" name="password" placeholder="Enter your password2" autocomplete="current-password">`,
  translations: () => `"password": "Passwort", "token": "Zeichen", "forgot_password": "Passwort vergessen?", "secret.title": "Geheimnis"`,
  'version and dates': (dice) =>
    `v1.${dice.below(90)}.0-beta.${dice.below(9)}+build.${dice.below(900)} 2026-11-23T02:13:06.${dice.below(900)}Z 10.0.${dice.below(250)}.1:8080`,
  'own ids': (dice) =>
    `shell-${dice.below(90)}-${dice.word(small + digits, 6)} vault-copy-${uuid(dice)}.0 blob ${hashOf(dice, 'sha256').toString('hex')} (hash ${hashOf(dice, 'sha256').toString('hex').slice(0, 12)})`,
  'source map': (dice) => `"mappings":"${dice.word(`${alphanumeric}+/;,`, 300)}"`,
  identifiers: (dice) =>
    `AbstractSingletonProxyFactoryBean${dice.below(9)} SOME_VERY_LONG_CONSTANT_NAME_${dice.below(99)} get_user_by_email_address_and_tenant_id_v${dice.below(9)}`,
  urls: (dice) =>
    `https://github.com/a/b/blob/${hashOf(dice, 'sha1').toString('hex')}/src/x.ts#L${dice.below(99)} https://www.youtube.com/watch?v=${dice.word(alphanumeric, 11)} https://a.example.org/p/${dice.word(small, 8)}-${dice.word(small, 9)}-${dice.below(99_999)}`,
  ulid: (dice) =>
    `01${dice.word('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)} ${dice.word(small + digits, 21)} cid:${dice.word(small + digits, 40)}`,
}

export interface OrdinaryOutput {
  readonly text: string
  readonly shape: string
}

function ordinaryOutput(dice: Dice, i: number): OrdinaryOutput {
  const kinds = Object.entries(ordinary)
  const [shape, make] = kinds[i % kinds.length]!
  return { shape, text: make(dice) }
}

export function ordinaryOutputs(seed: number, count: number): readonly OrdinaryOutput[] {
  const dice = createDice(seed)
  return Array.from({ length: count }, (_, i) => ordinaryOutput(dice, i))
}

/** Tokens without a label, in the shape of none: what looks random. */
export function randomTokens(seed: number, count: number): readonly string[] {
  const dice = createDice(seed)
  return Array.from({ length: count }, () => dice.bytes(30).toString('base64url'))
}
