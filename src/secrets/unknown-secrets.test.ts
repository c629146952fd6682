/** What looks like a secret in the output of a tool, and what only looks like it. Nothing here is a secret of anybody. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { findUnknown, isOrdinary } from './unknown-secrets.ts'

/** Joined here, so that this file has no text in the shape of a token. */
const token = (...parts: readonly string[]): string => parts.join('')
const letters = 'aB3dE5gH7jK9mN1pQ2sT4vW6xY8z'
const found = (text: string): readonly string[] => findUnknown(text).map(({ start, end, kind }) => `${kind} ${text.slice(start, end)}`)

describe('what looks like a secret', () => {
  for (const [kind, value] of [
    ['aws_key', token('AKIA', 'Q3ERWV5TZ7KLMN2P')],
    ['github_token', token('gh', 'p_', letters, 'kLmNoPqR')],
    ['gitlab_token', token('glpat', '-', letters.slice(0, 20))],
    ['anthropic_key', token('sk-', 'ant-', letters)],
    ['openai_key', token('sk-', 'proj-', letters)],
    ['slack_token', token('xox', 'b-', letters)],
    ['stripe_key', token('sk_', 'live_', letters)],
    ['npm_token', token('npm', '_', letters, 'AbCdEfGh')],
    ['jwt', token('eyJ', 'hbGciOiJIUzI1', '.eyJ', 'zdWIiOiIxMjM0', '.', letters)],
  ] as const)
    it(`is a ${kind}, wherever it stands`, () => {
      for (const text of [value, `key: ${value}\n`, `["${value}"]`, `a\\n${value}\\nb`]) assert.deepEqual(found(text), [`${kind} ${value}`])
      assert.deepEqual(found(`${value.slice(0, 4)}${'a'.repeat(40)}`), [], 'a letter over and over is an example')
    })

  it('is a private key as a whole, and no certificate', () => {
    const armoured = (name: string): string => `-----BEGIN ${name}-----\n${letters}${letters}\n${letters}\n-----END ${name}-----`
    const key = armoured(token('PRIVATE', ' KEY'))
    assert.deepEqual(found(`before\n${key}\nafter`), [`private_key ${key}`])
    assert.deepEqual(found(armoured('CERTIFICATE')), [])
    assert.deepEqual(found(key.slice(0, -10)), [`random ${letters}${letters}`], 'of one that was cut off the lines are looked at')
  })

  it('is the password of an address, and the path of a webhook', () => {
    assert.deepEqual(found('postgres://ann:tr0ub4dor-x@db.example:5432/x'), ['url_password tr0ub4dor-x'])
    const path = token('T0123ABCD', '/B0123ABCD/', letters.slice(0, 24))
    assert.deepEqual(found(`https://hooks.slack.com/services/${path}`), [`webhook ${path}`])
    assert.deepEqual(found('https://ann:$PASSWORD@db.example'), [])
    assert.deepEqual(found('https://ann@db.example:8080/a'), [])
  })

  it('is a value behind a label, in each form of writing one', () => {
    const value = 'tr0ub4dor-And-3'
    for (const text of [
      `PASSWORD=${value}\n`,
      `password: "${value}"`,
      `{"api_key":"${value}"}`,
      `{\\"api_key\\":\\"${value}\\"}`,
      `client.secret => '${value}'`,
      `export DB_PASSWORD=${value}`,
      `config["private-key"] = "${value}";`,
    ])
      assert.ok(
        found(text).some((each) => each.endsWith(` ${value}`)),
        text,
      )
    assert.deepEqual(found(`Authorization: Bearer ${letters}`), [`token ${letters}`])
  })

  it('is no placeholder, path, expression, word, or name that only describes one', () => {
    for (const text of [
      'PASSWORD=$SECRET_FROM_ENV',
      'password = "your-password-here"',
      'api_key: <api-key-of-yours>',
      'token = process.env.TOKEN_OF_MINE;',
      'TOKEN_FILE=/run/secrets/token1.txt',
      'password=current-password',
      'secret: getSecret(config.name)',
      'access_token := oauth2.newToken(x)',
      'password: 01890a5d-ac96-774b-bcce-b302099a8057',
    ])
      assert.deepEqual(found(text), [], text)
  })

  it('is a random token, and no digest, id, encoded text or name', () => {
    const random = 'q7RxK2mVt9LbZ4wNc8HsJ3yPd6GfTa5U'
    assert.deepEqual(found(`use ${random} now`), [`random ${random}`])
    for (const text of [
      `sha256-${random}`,
      `"integrity": "${random}"`,
      `commit ${'0123456789abcdef'.repeat(2)}`,
      `id: ${random}`,
      Buffer.from('a text of some words, encoded as base64').toString('base64'),
      'src/components/ButtonGroupWithVeryLongName',
      `data:image/png;base64,${random.repeat(9)}`,
    ])
      assert.deepEqual(found(text), [], text)
  })

  it('has an order and no overlaps, is within the text, and is the same each time', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('password=', 'token: ', '://', ':', '@', '-----BEGIN ', '"', '\\n', letters, '\n'))
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        const text = words.join('')
        const all = findUnknown(text)
        for (const [i, { start, end }] of all.entries()) {
          assert.ok(start >= (all[i - 1]?.end ?? 0) && end > start && end <= text.length)
        }
        assert.deepEqual(findUnknown(text), all)
      }),
    )
  })
})

it('a variable is ordinary when it is a word, a number, a path or an address without a password', () => {
  for (const [label, value] of [
    ['LOG_LEVEL', 'debug'],
    ['PORT', '8080'],
    ['CACHE', '/var/cache/app'],
    ['API_URL', 'https://api.example/v1'],
    ['TOKEN_TTL', '3600'],
  ] as const)
    assert.equal(isOrdinary(label, value), true, label)
  for (const [label, value] of [
    ['PASSWORD', 'debug'],
    ['DATABASE_URL', 'postgres://ann:secret-1@db/x'],
    ['SALT', 'x7Kq!9'],
  ] as const)
    assert.equal(isOrdinary(label, value), false, label)
})
