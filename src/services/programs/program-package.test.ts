import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../../protocol/index.ts'
import fc from 'fast-check'
import { type Manifest, parsePackage, problemText } from './program-package.ts'
import { refusalOf } from './program-rights.ts'
import { brokenManifests, whole } from './manifest-fixture.ts'

const problemsOf = async (toml: string, name = 'tidy'): Promise<readonly string[]> =>
  (await parsePackage({ name, toml, text: 'Tidies.' })).problems.map(problemText)

test('a manifest says what a program is, may do, takes and returns', async () => {
  const { program, problems } = await parsePackage({ name: 'tidy', toml: whole, text: 'Tidies.', script: 'export default () => 1' })
  assert.deepEqual(problems, [])
  assert.equal(program?.manifest.program.version, '1.2.0')
  assert.equal(program?.manifest.rights.time_s, 600)
  assert.equal(program?.manifest.schedule.length, 1)
})

test('what is wrong is said with its line', async () => {
  assert.deepEqual(await problemsOf(whole.replace('1.2.0', 'new')), ['program.toml:3: program.version must be a version such as 1.0.0'])
  assert.match((await problemsOf(whole.replace('paths =', 'pahts =')))[0]!, /^program\.toml:9: rights\.pahts is not a key here/)
  assert.match((await problemsOf(`${whole}\n[input\n`))[0]!, /^program\.toml:\d+: /)
  assert.match((await problemsOf(whole, 'other'))[0]!, /^program\.toml:2: program\.name is tidy, but the folder is other/)
  assert.match((await problemsOf(whole.replace('every_s = 3600', '')))[0]!, /^program\.toml:\d+: schedule\.0 needs `cron` or `every_s`/)
  assert.match(
    (await problemsOf(whole.replace('"file.read"', '"no call"')))[0]!,
    /^program\.toml:8: rights\.calls\.0 must be the name of a call/,
  )
})

test('no manifest, however it is broken, throws or is taken in with a fault', async () => {
  await fc.assert(
    fc.asyncProperty(brokenManifests(), async (toml) => {
      const { program, problems } = await parsePackage({ name: 'tidy', toml, text: 'x' })
      assert.equal(program === null, problems.length > 0)
      for (const { line } of problems) assert.ok(line >= 0 && line <= toml.split('\n').length)
    }),
    { numRuns: 500 },
  )
})

test('a list matches element by element, and no pattern reaches the next one', () => {
  const refused = (args: unknown, ...wanted: string[]): boolean => {
    const rights = {
      calls: [{ call: 'exec.run', input: { args: wanted.length > 1 ? wanted.map((each) => each.split(' ')) : wanted[0]!.split(' ') } }],
    }
    const manifest = { program: { name: 'tidy' }, rights } as unknown as Manifest
    return refusalOf(manifest, { name: 'exec.run' }, { args }) !== null
  }
  assert.equal(refused(['tag', 'v1'], 'tag *'), false)
  assert.equal(refused(['tag', 'v1","--force'], 'tag v*'), false, 'it is one argument')
  assert.equal(refused(['tag', 'v1', '--force'], 'tag *'), true)
  assert.equal(refused(['tag'], 'tag *'), true)
  assert.equal(refused('tag', 'push x'), true)
  assert.equal(refused(['add', '--all'], 'add --all', 'tag *'), false)
  assert.equal(refused(['add', 'v1'], 'add --all', 'tag *'), true)
  assert.equal(refused(undefined, 'tag *'), true)
  const any = { program: { name: 'tidy' }, rights: { calls: [{ call: 'exec.run', input: { args: '*' } }] } } as unknown as Manifest
  assert.equal(refusalOf(any, { name: 'exec.run' }, { args: ['a', 'b'] }), null)
  const text = { program: { name: 'tidy' }, rights: { calls: [{ call: 'exec.run', input: { args: '["tag",*]' } }] } } as unknown as Manifest
  const found = refusalOf(text, { name: 'exec.run' }, { args: ['tag', 'v1', '--force'] })
  assert.match(found!.hint, /args = \["tag","v1","--force"\]/)
})

test('what is outside of a pattern once it is resolved does not match, and an empty list reaches nothing', async () => {
  const rights = (text: string): string => whole.replace(/\[rights\][\s\S]*?(?=\n\[)/, `[rights]\n${text}\n`)
  const manifestOf = async (text: string): Promise<Manifest> => {
    const { program, problems } = await parsePackage({ name: 'tidy', toml: rights(text), text: 'Tidies.' })
    assert.deepEqual(problems, [])
    return program!.manifest
  }
  const read = { name: 'file.read', reaches: { kind: 'paths', fields: ['path'] } } as const
  const fetch = { name: 'web.fetch', reaches: { kind: 'url', fields: ['url'] } } as const
  const bound = await manifestOf(
    'calls = [{ call = "file.read", input = { path = "/shared/*" } }, { call = "web.fetch", input = { url = ["https://a.example/public/*", "https://b.example"] } }]\npaths = ["/shared"]\nhosts = ["*"]',
  )
  for (const path of ['/shared/a', 'a', '/shared/b/../a']) assert.equal(refusalOf(bound, read, { path }), null, path)
  for (const path of ['/shared/../vault/x', '../vault/x', '/shared/../shared2/x', '/vault/x', ['/shared/a']])
    assert.notEqual(refusalOf(bound, read, { path }), null, JSON.stringify(path))
  for (const url of ['https://a.example/public/x', 'HTTPS://A.example:443/public/x', 'https://b.example/', 'https://b.example'])
    assert.equal(refusalOf(bound, fetch, { url }), null, url)
  for (const url of [
    'https://a.example/public/../admin',
    'https://a.example/public/%2e%2e/admin',
    'https://a.example/public/.%2E/admin',
    'https://a.example\\public/x/../../admin',
    'https://b.example/x',
    'https://a.example@evil.example/public/x',
  ])
    assert.notEqual(refusalOf(bound, fetch, { url }), null, url)
  const none = await manifestOf('calls = ["file.read", "web.fetch", "branch.diff"]')
  assert.match(refusalOf(none, read, { path: '/shared/a' })!.message, /lists the call file\.read and no paths/)
  assert.match(refusalOf(none, fetch, { url: 'https://a.example' })!.message, /no hosts/)
})

test('hosts bind what has network of its own: what says where it goes, and not what could lead anywhere', () => {
  const refusal = (hosts: string[], goesTo: Call['goesTo'], input: object): string => {
    const rights = { calls: ['test.online'], hosts, paths: [] }
    const found = refusalOf(
      { program: { name: 'tidy' }, rights } as unknown as Manifest,
      { name: 'test.online', ...(goesTo && { goesTo }) },
      input,
    )
    return found === null ? '' : `${found.code}: ${found.message} ${found.hint}`
  }
  const named = { hosts: 'hosts' }
  assert.match(refusal([], named, { hosts: ['a.example.com'] }), /^denied: .*no hosts that it may reach/)
  assert.match(refusal([], 'anywhere', {}), /^denied: .*no hosts that it may reach/)
  assert.equal(refusal([], undefined, {}), '')
  assert.equal(refusal(['*'], 'anywhere', {}), '')
  assert.equal(refusal(['*'], named, { hosts: [] }), '')
  assert.match(refusal(['a.example.com'], 'anywhere', {}), /^denied: .*could lead anywhere.*hosts = \["\*"\]/)
  assert.equal(refusal(['*.example.com', 'b.org:443'], named, { hosts: ['A.example.com', 'b.org:443'] }), '')
  assert.match(refusal(['*.example.com'], named, { hosts: ['a.example.com', 'evil.org'] }), /^denied: .*would reach evil\.org/)
  assert.match(refusal(['a.example.com'], named, { hosts: ['*.example.com'] }), /^denied: /)
  for (const input of [{}, { hosts: [] }, { hosts: 'a.example.com' }])
    assert.match(refusal(['a.example.com'], named, input), /would reach any host/)
})
