import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox, type FakeSandboxOptions } from '../../sandbox/fake/fake-sandbox.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { SessionId } from '../../base/index.ts'
import type { Call, Sandbox } from '../../protocol/index.ts'
import { asks, done, type Fixture, newCallId, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'

const rights = ['file.read', 'file.write', 'vault.copy', 'vault.list', 'shell.run', 'web.read', 'browser.use']
const letter = 'Ada is allergic to marigold honey'

interface Desk extends AsyncDisposable {
  readonly files: Map<string, string>
  readonly store: Store
  /** Makes calls in order in a session of their own. @returns its labels */
  session(...steps: readonly (readonly [tool: string, args: object])[]): Promise<string>
  call(name: string, input: object): Promise<unknown>
}

interface DeskOptions extends FakeSandboxOptions {
  readonly config?: object
  readonly calls?: readonly Call[]
  readonly files?: Map<string, string>
  readonly store?: Store
  readonly around?: (sandbox: Sandbox) => Sandbox
}

async function openDesk({
  config = {},
  calls = [],
  files = new Map(),
  store,
  around = (own) => own,
  ...sandbox
}: DeskOptions = {}): Promise<Desk> {
  const kept = store ?? (await openMemoryStore({ user }))
  let script: ReturnType<typeof asks>[] = []
  const fixture: Fixture = await openFixture({
    store: kept,
    sandbox: around(withVault(createFakeSandbox(files, sandbox))),
    calls: [...builtinCalls({ files: true, shell: true, profiles: ['work', 'browser', 'vault-read'] }), ...calls],
    config: { agent: { rights }, approval: { privileged: 'allow' }, ...config },
    play: () => script.shift() ?? says('done'),
  })
  return {
    files,
    store: kept,
    async session(...steps) {
      script = steps.map((step) => asks(step))
      const { id } = await fixture.kernel.createSession('one of them')
      const { turn } = await fixture.kernel.sendTurn({ session: id, clientId: newCallId(), text: 'go' })
      await ended(fixture, id, turn)
      return (await kept.session(id))?.labels ?? ''
    },
    async call(name, input) {
      const outcome = await fixture.kernel.call(name, input as never)
      assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
      return outcome.status === 'ok' ? outcome.output : null
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  }
}

/** The store outlives its kernel. */
function reopened(store: Store): Store {
  return { ...store, close: async () => {} }
}

/** A sandbox in memory has no vault. */
function withVault(sandbox: Sandbox): Sandbox {
  const vault = createFakeSandbox(new Map([['/shared/letter.txt', letter]]))
  return {
    ...sandbox,
    async hands(profile) {
      if (profile !== 'vault-read') return sandbox.hands(profile)
      const hands = await vault.hands(profile)
      return { ask: (op, input, options) => hands.ask(op, { ...input, path: '/shared/letter.txt' }, options) }
    },
  }
}

async function ended({ kernel }: Fixture, session: SessionId, turn: string): Promise<void> {
  const over = Promise.withResolvers<void>()
  const stop = await kernel.follow(session, 0, (event) => {
    if (event.type === 'record' && (event.record.call as string) === turn && event.record.phase === 'outcome') over.resolve()
  })
  await over.promise
  stop()
}

const copy = ['vault_copy_to', { source_path: '/vault/letter.txt', destination_path: '/shared/letter.txt' }] as const
const read = (path: string) => ['file_read', { path }] as const

describe('labels travel with files', () => {
  it('a copy of a file of the vault makes each session that reads it private', async () => {
    await using desk = await openDesk({ files: new Map([['/shared/plain.txt', 'hello']]) })
    assert.equal(await desk.session(read('plain.txt')), 'untrusted')
    await desk.session(copy)
    assert.equal(await desk.session(read('plain.txt')), 'untrusted', 'another file has no label')
    for (const path of ['letter.txt', '/shared/./x/../letter.txt', '//shared/letter.txt'])
      assert.equal(await desk.session(read(path)), 'private,untrusted', path)
    assert.equal(await desk.session(['file_search', { pattern: 'honey' }]), 'private,untrusted')
    assert.equal(await desk.session(['file_list', { path: '/shared' }]), 'private,untrusted', 'its name may say something')
  })

  it('the name of a folder that such a session has made keeps its labels when its file is gone', async () => {
    for (const gone of [
      ['file_delete', { path: '/shared/a/told/deep/x.txt', recursive: false }],
      ['file_move', { from: '/shared/a/told/deep/x.txt', to: '/shared/other.txt' }],
    ] as const) {
      await using desk = await openDesk({ files: new Map([['/shared/a/plain.txt', 'hello']]) })
      await desk.session(copy, read('letter.txt'), ['file_write', { path: '/shared/a/told/deep/x.txt', text: 'x' }], gone)
      for (const path of ['/shared/a', '/shared/a/told'])
        assert.equal(await desk.session(['file_list', { path, depth: 1 }]), 'private,untrusted', `${gone[0]} ${path}`)
      // What was there before says nothing of the conversation.
      assert.equal(await desk.session(read('/shared/a/plain.txt')), 'untrusted')
    }
  })

  it('what such a session writes, moves and edits carries its labels', async () => {
    await using desk = await openDesk({ files: new Map([['/shared/plain.txt', 'hello']]) })
    await desk.session(
      copy,
      ['file_write', { path: 'notes/a.md', text: 'Ada …' }],
      ['file_edit', { path: 'plain.txt', find: 'hello', replace: 'bye' }],
    )
    for (const path of ['notes/a.md', 'plain.txt']) assert.equal(await desk.session(read(path)), 'private,untrusted', path)
    await desk.call('file.move', { from: '/shared/notes', to: '/shared/other' })
    assert.equal(await desk.session(read('other/a.md')), 'private,untrusted', 'moved by a person')
    await desk.call('file.write', { path: 'other/a.md', text: 'nothing of it' })
    assert.equal(await desk.session(read('other/a.md')), 'untrusted', 'replaced as a whole by a person')
    const patch = '--- a/new.txt\n+++ b/new.txt\n@@ -0,0 +1 @@\n+Ada\n'
    await desk.session(copy, ['file_patch', { path: '/shared', diff: patch }])
  })

  it('a file that was renamed without this guest is known by its content', async () => {
    await using desk = await openDesk()
    await desk.session(copy)
    desk.files.set('/shared/renamed.txt', desk.files.get('/shared/letter.txt')!)
    desk.files.delete('/shared/letter.txt')
    assert.equal(await desk.session(read('renamed.txt')), 'private,untrusted')
  })

  it('a command reads all files and labels what it changes', async () => {
    await using desk = await openDesk({
      files: new Map([['/shared/old.txt', 'old']]),
      run: async ({ command }) => {
        const [, from = '', to = ''] = /^cp (\S+) (\S+)$/.exec(command) ?? []
        if (to !== '') desk.files.set(to, desk.files.get(from)!)
        return { stdout: 'ok' }
      },
    })
    assert.equal(await desk.session(['shell_exec', { command: 'ls' }]), 'untrusted')
    await desk.session(copy)
    assert.equal(await desk.session(['shell_exec', { command: 'cp /shared/letter.txt /tmp/b' }]), 'private,untrusted')
    assert.equal(await desk.session(read('/tmp/b')), 'private,untrusted', 'the copy')
    assert.equal(await desk.session(read('old.txt')), 'untrusted', 'what it left alone')
    await desk.call('file.delete', { path: '/tmp/b' })
    await desk.call('file.delete', { path: '/shared/letter.txt' })
    assert.equal(await desk.session(['shell_exec', { command: 'ls' }]), 'untrusted', 'none is left')
  })

  it('a command has the labels of what earlier ones may have left in memory, until nothing is left there', async () => {
    let isLeft = false
    await using desk = await openDesk({
      run: async ({ command }) => {
        isLeft = command === 'leave' || (isLeft && command !== 'free')
        return { stdout: 'ok' }
      },
      keepsMemory: () => isLeft,
    })
    const run = (command: string) => desk.session(['shell_exec', { command }])
    await run('leave')
    assert.equal(await run('look'), 'untrusted', 'nobody has read anything private')
    await desk.session(copy)
    await run('leave')
    await desk.call('file.delete', { path: '/shared/letter.txt' })
    assert.equal(await run('look'), 'private,untrusted')
    await run('free')
    assert.equal(await run('look'), 'untrusted')
  })

  it('a command has the labels of shells that keep what they have read', async () => {
    await using desk = await openDesk({ run: async () => ({ stdout: 'ok' }) })
    await desk.session(copy, ['shell_session_open', { terminal: false }])
    await desk.call('file.delete', { path: '/shared/letter.txt' })
    assert.equal(await desk.session(['shell_exec', { command: 'cat /proc/*/fd/3' }]), 'private,untrusted')
  })

  it('survives a restart, and a crash in the middle of a command', async () => {
    const [store, files] = [await openMemoryStore({ user }), new Map([['/shared/old.txt', 'old']])]
    const open = (): Promise<Desk> => openDesk({ store: reopened(store), files })
    {
      await using desk = await open()
      await desk.session(copy)
    }
    {
      await using desk = await open()
      assert.equal(await desk.session(read('old.txt')), 'untrusted')
      assert.equal(await desk.session(read('letter.txt')), 'private,untrusted')
    }
    // As a crash leaves it: a command, and nobody knows what it has written.
    const body = JSON.stringify({ labels: ['private'], from: [], at: 0 })
    const record = {
      at: 1,
      actor: 'kernel',
      session: '',
      turn: '',
      call: newCallId(),
      name: 'shell.exec',
      phase: 'exchange',
      body: '{}',
    } as const
    await store.append({
      records: [record],
      projections: [{ kind: 'document', category: 'system/file-writers', name: record.call, body, record: 0 }],
    })
    await using desk = await open()
    assert.equal(await desk.session(read('old.txt')), 'private,untrusted')
    await store.close()
  })
})

describe('what the browser saves', () => {
  const saved = '/tmp/downloads/report.pdf'
  /** A page that saves a file with each request. */
  function withBrowser(files: Map<string, string>): (sandbox: Sandbox) => Sandbox {
    const view = { tab: 't1', url: 'https://bank.example/', title: '', status: 200, shows: 'text', text: 'x', fromByte: 0, nextByte: null }
    const reply = { ...view, totalBytes: 1, notes: [] }
    return (sandbox) => ({
      ...sandbox,
      hands: async (profile) =>
        profile === 'browser' ? { ask: async () => (files.set(saved, letter), reply as never) } : sandbox.hands(profile),
    })
  }
  const look = ['browser_snapshot', {}] as const
  const rule = { flow: { source: [{ call: 'browser.snapshot', labels: ['private'] }] } }

  for (const [what, config, before, expected] of [
    ['is untrusted', {}, [], 'untrusted'],
    ['has the labels of the conversation that looked at the page', {}, [copy], 'private,untrusted'],
    ['has those that a rule gives to what it looked at', rule, [], 'private,untrusted'],
  ] as const)
    it(what, async () => {
      const files = new Map<string, string>()
      await using desk = await openDesk({ files, config, around: withBrowser(files) })
      await desk.session(...before, look)
      assert.equal(await desk.session(read(saved)), expected)
    })
})

describe('an effect', () => {
  it('of a call without files costs nothing', async () => {
    await using desk = await openDesk({ calls: [testCall('test.plain', async () => done('x'))] })
    assert.equal(await desk.session(['test_plain', {}]), '')
  })
})
