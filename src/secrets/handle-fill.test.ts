/** Values in place of handles: a real bash runs what was filled, and a hostile value never does anything. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { eachHandle, fillHandles, misplaced } from './handle-fill.ts'

const hostile = [`$(echo ran)`, '`echo ran`', `'; echo ran; '`, `"; echo ran; "`, `a b\nc`, `\\`, `*`, `-n`, `$HOME`, `!!`]
const asIs = ['plain', 'a/b:c@d%e+f=g,h-i.j']

/** @returns what bash prints */
function run(command: string, value: string): string {
  const { input, env } = fillHandles({ command }, (handle) => (handle === 'x' ? value : undefined))
  const line = (input as { command: string }).command
  return execFileSync('bash', ['--noprofile', '--norc', '-c', line], { env: { ...env, HOME: '/home' }, encoding: 'utf8' })
}

test('a value is one word of a command, whatever quotes stand around its handle', () => {
  for (const value of [...hostile, ...asIs])
    for (const command of ['[secret:x]', '"[secret:x]"', "'[secret:x]'", '"a [secret:x]"', `'it'"'"'s [secret:x]'`, `\\"[secret:x]`]) {
      const before = command.includes('a [') ? 'a ' : command.includes('s [') ? "it's " : command.startsWith('\\') ? '"' : ''
      assert.equal(run(`printf '<%s>' ${command}`, value), `<${before}${value}>`, `${command} with ${JSON.stringify(value)}`)
    }
})

test('where the quotes are read otherwise than bash does, the value still never runs', () => {
  const odd = [
    `# don't\nprintf '<%s>' [secret:x]`,
    `cat <<'END'\nit's [secret:x]\nEND`,
    `cat <<END\nsay "[secret:x]\nEND`,
    `echo "$(printf '<%s>' '[secret:x]')"`,
    `echo $'it\\'s [secret:x]'`,
    'echo `printf %s "[secret:x]"`',
  ]
  for (const value of hostile)
    for (const command of odd) {
      const printed = run(command, value).replaceAll(value, '')
      assert.ok(!/(?:^|[^ ])ran/.test(printed), `${command} with ${JSON.stringify(value)} printed ${printed}`)
    }
})

test('two handles of one value share a variable; text that only looks like a handle stays', () => {
  const filled = fillHandles({ command: 'a [secret:x] "[secret:x]" [secret:nobody]', path: '[secret:nobody]' }, (handle) =>
    handle === 'x' ? 'two words' : undefined,
  )
  assert.deepEqual(filled, {
    input: { command: 'a "${OXBOW_SECRET_1}" "${OXBOW_SECRET_1}" [secret:nobody]', path: '[secret:nobody]' },
    env: { OXBOW_SECRET_1: 'two words' },
  })
})

test('values fill lists and objects at any depth, and all handles are seen, those in names of fields too', () => {
  const filled = fillHandles({ list: [{ deep: 'key=[secret:x]' }] }, () => 'value')
  assert.deepEqual(filled, { input: { list: [{ deep: 'key=value' }] }, env: {} })
  const found: string[] = []
  eachHandle({ a: ['[secret:one]', { '[secret:field]': '[secret:two] [secret:three|base64]' }] }, (handle) => found.push(handle))
  assert.deepEqual(found, ['one', 'field', 'two', 'three|base64'])
})

test('no value stands where a call acts: in a path, an id, the host of a URL, an option, or keys that a shell may read', () => {
  const why = (input: object, value = 'evil.example'): string => misplaced(input, (handle) => (handle === 'x' ? value : undefined))
  assert.match(why({ path: '/shared/[secret:x]' }), /the field path/)
  assert.match(why({ hosts: ['[secret:x]'] }), /the field hosts/)
  assert.match(why({ url: 'https://[secret:x]/' }), /the host of a URL/)
  assert.match(why({ url: 'https://good.example[secret:x]/' }, '.evil.example'), /the host of a URL/)
  assert.match(why({ url: 'https://[secret:x]@good.example/' }, 'evil.example/'), /the host of a URL/)
  assert.match(why({ url: 'https://good.example:[secret:x]/' }, '444'), /the host of a URL/)
  assert.match(why({ args: ['[secret:x]'] }, '--exec=sh'), /an option/)
  assert.match(why({ keys: ['Enter'], text: '[secret:x]' }, 'a;b'), /a shell would interpret/)
  assert.match(why({ keys: ['[secret:x]'] }, 'a;b'), /a shell would interpret/)
  assert.match(why({ '[secret:x]': '/etc/passwd' }, 'path'), /the name of a field/)
  assert.match(why({ items: [{ deep: { '[secret:x]': 1 } }] }, 'url'), /the name of a field/)
  assert.match(why({ items: [{ path: '[secret:x]' }] }), /the field path/)
  assert.match(why({ request: { url: 'https://[secret:x]/' } }), /the host of a URL/)
  for (const input of [
    { items: [{ content: '[secret:x]' }, { '[secret:nobody]': 1 }] },
    { url: 'https://good.example/?key=[secret:x]' },
    { args: ['--key=[secret:x]'] },
    { keys: ['Enter'], text: '[secret:x]' },
    { path: '/shared/[secret:nobody]' },
    { content: '[secret:x]' },
  ])
    assert.equal(why(input, 'abc'), '', JSON.stringify(input))
})
