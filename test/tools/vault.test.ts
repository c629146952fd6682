/** The vault: what an agent may do with it, through a real gate, a real journal and a real sandbox. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { asks, inOrder, newCallId, openFixture, says } from '../../src/kernel/kernel-fixture.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../src/tools/index.ts'
import type { CallId, Json } from '../../src/base/index.ts'
import type { RecordView } from '../../src/protocol/index.ts'

const secret = 'the-secret-of-the-vault-9f3a'

/** A guest whose vault holds these files; its model makes these calls. */
async function open(files: Record<string, string | Buffer>, ...calls: readonly (readonly [name: string, args: unknown])[]) {
  const bench = await makeWorkbench({
    before: async (root) => {
      await mkdir(join(root, 'vault/papers'), { recursive: true })
      for (const [name, content] of Object.entries(files)) writeFileSync(join(root, 'vault', name), content)
    },
  })
  const asked: string[] = []
  const steps = inOrder(...calls.map((call) => asks(call)), says('done'))
  const fixture = await openFixture({
    play: (request, signal) => {
      asked.push(JSON.stringify(request.messages))
      return steps(request, signal)
    },
    calls: builtinCalls(bench.sandbox.status),
    sandbox: bench.sandbox,
  })
  /** Sends a message, allows what is asked, and waits for the end. */
  const turn = async (): Promise<readonly RecordView[]> => {
    const { turn: id } = await fixture.kernel.sendTurn({ session: fixture.session, clientId: newCallId(), text: 'go' })
    const allowed = new Set<CallId>()
    for (;;) {
      const record = await fixture.record(
        ({ call, phase }) => (phase === 'parked' && !allowed.has(call)) || (phase === 'outcome' && (call as string) === id),
      )
      if (record.phase === 'outcome') break
      allowed.add(record.call)
      await fixture.kernel.approve(record.call, true)
    }
    return (await fixture.store.records({ session: fixture.session, order: 'oldest_first', limit: 1000, hydrate: true })).map(
      ({ body, ...record }) => ({ ...record, body: JSON.parse(body) as Json }),
    )
  }
  return {
    ...fixture,
    turn,
    asked,
    root: bench.root,
    sandbox: bench.sandbox,
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]()
      await bench.remove()
    },
  }
}

const of = (records: readonly RecordView[], name: string, phase: string): Record<string, any>[] =>
  records.filter((record) => record.name === name && record.phase === phase).map(({ body }) => body as Record<string, any>)

describe('a file of the vault', () => {
  it('is copied in many pieces without loss after approval, and its content reaches no model and no record', async () => {
    const content = Buffer.concat([randomBytes(9_000_000), Buffer.from(secret), Buffer.from([0, 255, 254])])
    const copy = { source_path: '/vault/papers/deed.bin', destination_path: 'in/deed.bin' }
    await using guest = await open({ 'papers/deed.bin': content }, ['vault_copy_to', copy])
    const records = await guest.turn()
    assert.deepEqual(readFileSync(join(guest.root, 'shared/in/deed.bin')), content)
    assert.equal(of(records, 'vault.copy_to', 'parked').length, 1)

    const sha256 = createHash('sha256').update(content).digest('hex')
    // In addition, the label of the new file, which is on record before its content is there.
    const [read, write] = of(records, 'vault.copy_to', 'exchange').filter((body) => 'operation' in body)
    assert.deepEqual(read, { operation: read!['operation'], step: 'read', path: '/vault/papers/deed.bin', bytes: content.length })
    assert.deepEqual(write, { operation: read['operation'], step: 'write', path: '/shared/in/deed.bin', bytes: content.length, sha256 })
    assert.match(of(records, 'vault.copy_to', 'outcome')[0]!['text'] as string, new RegExp(`${content.length} bytes, sha256 ${sha256}`))

    for (const place of [JSON.stringify(records), ...guest.asked]) {
      assert.ok(!place.includes(secret) && !place.includes(Buffer.from(secret).toString('base64').slice(2, -2)))
    }
  })

  it('is visible to no process that sees the workspace', async () => {
    await using guest = await open({ 'a.txt': secret })
    const [vault, work] = await Promise.all([guest.sandbox.hands('vault-read'), guest.sandbox.hands('work')])
    const limits = { signal: new AbortController().signal, timeoutMs: 10_000 }
    const range = (path: string) => ({ path, offset: 0, maxBytes: 100 })
    assert.equal(Buffer.from((await vault.ask('bytes', range('/vault/a.txt'), limits)).content).toString(), secret)
    writeFileSync(join(guest.root, 'shared/b.txt'), 'b')
    await assert.rejects(vault.ask('bytes', range('/shared/b.txt'), limits), { code: 'path_refused' })
    await assert.rejects(work.ask('bytes', range('/vault/a.txt'), limits), { code: 'path_refused' })
    const put = { path: '/vault/new', upload: 'u', offset: 0, content: Buffer.from('x'), last: true, overwrite: true }
    await assert.rejects(vault.ask('put', put, limits), { code: 'path_refused' })
    const looked = await work.ask(
      'exec',
      { command: 'ls -d /vault; cat /proc/self/mountinfo', cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 100_000 },
      limits,
    )
    assert.ok(!looked.stdout.includes('/vault'), 'a command sees no vault either')
  })

  it('is not read in place: every call that names it gets a hint', async () => {
    const calls = [
      ['file_read', { path: '/vault/a.txt' }],
      ['file_search', { path: '/shared/../vault', pattern: 'secret' }],
      ['file_move', { from: '/vault/a.txt', to: '/shared/a.txt' }],
      ['media_send', { path: '//vault/a.txt', media_type: 'document' }],
    ] as const
    await using guest = await open({ 'a.txt': secret }, ...calls)
    const records = await guest.turn()
    for (const [name] of calls) {
      const [outcome] = of(records, name.replace('_', '.'), 'outcome')
      assert.match(outcome!['text'] as string, /path_refused.*vault_copy_to/, name)
    }
    assert.ok(!JSON.stringify(records).includes(secret))
  })

  it('cannot be reached from the workspace by a link', async () => {
    await using guest = await open({ 'a.txt': secret }, ['file_read', { path: 'way' }])
    symlinkSync(join(guest.root, 'vault/a.txt'), join(guest.root, 'shared/way'))
    const records = await guest.turn()
    assert.ok(!JSON.stringify(records).includes(secret))
  })

  it('shows only name and size to a model with the right', async () => {
    await using guest = await open({ 'papers/deed.txt': secret, '.key': 'k' }, ['vault_list', {}])
    const [listed] = of(await guest.turn(), 'vault.list', 'outcome')
    assert.equal(listed!['text'], `/vault/papers/\n/vault/papers/deed.txt  ${secret.length} bytes\n/vault/.key  1 byte`)
    assert.deepEqual(listed!['labels'], ['private', 'untrusted'])
  })
})

describe('a copy out of the vault', () => {
  it('replaces nothing without overwrite, and leaves nothing behind when it fails', async () => {
    const copy = { source_path: '/vault/a.txt', destination_path: '/shared/a.txt' }
    await using guest = await open({ 'a.txt': secret }, ['vault_copy_to', copy], ['vault_copy_to', { ...copy, overwrite: true }])
    writeFileSync(join(guest.root, 'shared/a.txt'), 'mine')
    const records = await guest.turn()
    const [refused, copied] = of(records, 'vault.copy_to', 'outcome')
    assert.match(refused!['text'] as string, /\/shared\/a\.txt already exists/)
    assert.match(copied!['text'] as string, /^Copied/)
    assert.equal(readFileSync(join(guest.root, 'shared/a.txt'), 'utf8'), secret)
    assert.deepEqual(readdirSync(join(guest.root, 'shared')), ['a.txt'])
  })

  it('goes only from the vault to the workspace', async () => {
    await using guest = await open(
      { 'a.txt': secret },
      ['vault_copy_to', { source_path: '/shared/x', destination_path: '/shared/y' }],
      ['vault_copy_to', { source_path: '/vault/../etc/passwd', destination_path: '/shared/y' }],
      ['vault_copy_to', { source_path: 'a.txt', destination_path: '/vault/b.txt' }],
      ['vault_copy_to', { source_path: 'papers', destination_path: '/tmp/p' }],
    )
    const outcomes = of(await guest.turn(), 'vault.copy_to', 'outcome').map(({ text }) => text as string)
    assert.match(outcomes[0]!, /\/shared\/x is not in the vault/)
    assert.match(outcomes[1]!, /is not in the vault/)
    assert.match(outcomes[2]!, /Files in the vault cannot be read, written/)
    assert.match(outcomes[3]!, /is a folder/)
    assert.ok(!existsSync(join(guest.root, 'vault/b.txt')))
  })

  it('is not offered where the vault has no hands of its own', () => {
    const calls = builtinCalls({ files: true, shell: false, profiles: ['work'] }).filter(({ name }) => name.startsWith('vault.'))
    assert.ok(calls.length > 0 && calls.every(({ unavailable }) => unavailable !== undefined))
  })
})
