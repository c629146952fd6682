import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import type { Json } from '../../../base/index.ts'
import { type CallOutcome, textOf } from '../../../protocol/index.ts'
import { asks, done, type FixtureOptions, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import { processRight } from '../../../kernel/policy/policy.ts'
import { mergeTexts } from '../thread/merge-trees.ts'
import type { BranchRecord, MergedBranch } from '../version-schemas.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const probeReadName: string = 'probe.read'

interface Place {
  /** Files of the workspace on the host. */
  write(name: string, text: string): void
  read(name: string): string
  /** Runs a command in a branch. @returns what it says */
  inBranch(branch: string, command: string): Promise<string>
  has(name: string): boolean
  call(name: string, input: Json): Promise<CallOutcome>
  ok<Output>(name: string, input: Json): Promise<Output>
}

async function withBranches(run: (place: Place) => Promise<void>, options: FixtureOptions = {}): Promise<void> {
  await using bench = await makeWorkbench()
  const { root } = bench
  chmodSync(root, 0o755)
  await using guest = await openFixture({ sandbox: bench.sandbox, versionsFolder: join(root, 'internal', 'versions'), ...options })
  const at = (name: string): string => join(root, 'shared', name)
  const call = (name: string, input: Json): Promise<CallOutcome> => guest.kernel.call(name, input)
  await run({
    write(name, text) {
      mkdirSync(join(at(name), '..'), { recursive: true })
      writeFileSync(at(name), text)
      chmodSync(at(name), 0o666)
    },
    read: (name) => readFileSync(at(name), 'utf8'),
    async inBranch(branch, command) {
      const input = { command, cwd: '/shared', stdin: '', timeoutMs: 5_000, maxOutputBytes: 1_000 }
      const hands = await (await bench.sandbox.branches!.open(branch)).hands('work')
      return (await hands.ask('exec', input, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 })).stdout
    },
    has: (name) => existsSync(join(root, name)),
    call,
    async ok<Output>(name: string, input: Json) {
      const outcome = await call(name, input)
      assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
      return (outcome as CallOutcome & { status: 'ok' }).output as Output
    },
  })
}

const lines = (...some: readonly string[]): string => some.map((line) => `${line}\n`).join('')

test('a branch is merged as a diff: its changes come into the workspace, what both changed apart is joined, and the merge can be undone', async () => {
  await withBranches(async ({ write, read, has, call, ok, inBranch }) => {
    write('both.txt', lines('a', 'b', 'c', 'd', 'e'))
    write('mine.txt', 'old')
    write('gone.txt', 'x')
    const made = await ok<BranchRecord>('branch.create', { name: 'try-1' })
    await inBranch('try-1', 'sed -i s/e/E/ both.txt; mkdir new; printf new > new/deep.txt; rm gone.txt')
    write('both.txt', lines('A', 'b', 'c', 'd', 'e'))
    write('mine.txt', 'mine')
    const diff = await ok<{ changes: { path: string; change: string }[]; text: string }>('branch.diff', { branch: 'try' })
    assert.deepEqual(
      diff.changes.map(({ path, change }) => `${change} ${path}`),
      ['changed /shared/both.txt', 'deleted /shared/gone.txt', 'added /shared/new/deep.txt'],
    )
    assert.match(diff.text, /-e\n\+E/)
    const merged = await ok<MergedBranch>('branch.merge', { branch: 'try-1' })
    assert.deepEqual([merged.total, merged.conflicts], [3, []])
    assert.equal(read('both.txt'), lines('A', 'b', 'c', 'd', 'E'))
    assert.equal(read('mine.txt'), 'mine')
    assert.equal(read('new/deep.txt'), 'new')
    assert.deepEqual([has('shared/gone.txt'), has('branches/try-1')], [false, false])
    // A dry run of `branch drop` is a diff.
    for (const name of ['branch.diff', 'branch.drop']) {
      const over = await call(name, { branch: 'try-1' })
      assert.match('failure' in over ? over.failure.message : '', /try-1 is merged/, name)
    }
    await ok('version.restore', { path: '/', at: merged.before, apply: true })
    assert.deepEqual([read('both.txt'), has('shared/gone.txt'), has('shared/new/deep.txt')], [lines('A', 'b', 'c', 'd', 'e'), true, false])
    const { branches } = await ok<{ branches: BranchRecord[] }>('branch.list', { ended: true })
    assert.deepEqual(
      branches.map(({ name, state, version }) => [name, state, version]),
      [['try-1', 'merged', made.version]],
    )
  })
})

test('a conflict merges nothing unless a side is named, and names why', async () => {
  await withBranches(async ({ write, read, call, ok, inBranch }) => {
    write('a.txt', 'one\n')
    write('free.txt', 'old')
    await ok('branch.create', { name: 'b' })
    await inBranch('b', 'echo theirs > a.txt; printf new > free.txt; printf 1 > both-added')
    write('a.txt', 'ours\n')
    write('both-added', '2')
    const refused = (await call('branch.merge', { branch: 'b' })) as CallOutcome & { status: 'ok' }
    assert.equal(refused.ok, false)
    assert.match(refused.text, /conflict \/shared\/a\.txt: both have changed the same part\n.*both-added: both have added it/s)
    assert.deepEqual([read('a.txt'), read('free.txt')], ['ours\n', 'old'])
    await ok('branch.merge', { branch: 'b', conflicts: 'branch' })
    assert.deepEqual([read('a.txt'), read('free.txt'), read('both-added')], ['theirs\n', 'new', '1'])
    await ok('branch.create', { name: 'c', at: 'HEAD~1' })
    assert.equal(await inBranch('c', 'cat a.txt; echo third > a.txt'), 'ours\n', 'a branch can begin with an older version')
    await ok('branch.merge', { branch: 'c', conflicts: 'workspace' })
    assert.equal(read('a.txt'), 'theirs\n')
  })
})

test('a folder where the other side has a file is a conflict, and a dropped branch changes nothing', async () => {
  await withBranches(async ({ write, read, has, call, ok, inBranch }) => {
    write('x.txt', 'x')
    await ok('branch.create', { name: 'b' })
    await inBranch('b', 'mkdir place; printf 1 > place/deep.txt')
    write('place', '2')
    for (const conflicts of ['none', 'branch']) {
      const refused = (await call('branch.merge', { branch: 'b', conflicts })) as CallOutcome & { status: 'ok' }
      assert.match(refused.text, /conflict \/shared\/place\/deep\.txt: the workspace has a file shared\/place/)
    }
    assert.equal(read('place'), '2')
    await ok('branch.drop', { branch: 'b' })
    assert.equal(has('branches/b'), false)
    const again = await call('branch.merge', { branch: 'b' })
    assert.equal('failure' in again && again.failure.code, 'not_found')
    const unknown = await call('branch.create', { name: '../b' })
    assert.equal('failure' in unknown && unknown.failure.code, 'bad_input')
  })
})

test('a branch is merged into another one, the workspace stays, and a conflict leaves both as they are', async () => {
  await withBranches(async ({ write, read, inBranch, call, ok }) => {
    write('both.txt', lines('a', 'b', 'c', 'd', 'e'))
    const change = (branch: string, ...some: readonly string[]): Promise<string> =>
      inBranch(branch, `printf '%s\\n' ${some.join(' ')} > both.txt`)
    const { base: at } = await ok<BranchRecord>('branch.create', { name: 'whole' })
    for (const name of ['one', 'two', 'three']) await ok('branch.create', { name, at })
    await change('one', 'A', 'b', 'c', 'd', 'e')
    await change('two', 'a', 'b', 'c', 'd', 'E')
    await change('three', 'x', 'b', 'c', 'd', 'e')
    await ok('branch.merge', { branch: 'one', into: 'whole' })
    await ok('branch.merge', { branch: 'two', into: 'whole' })
    assert.equal(await inBranch('whole', 'cat both.txt'), lines('A', 'b', 'c', 'd', 'E'))
    const refused = await ok<MergedBranch>('branch.merge', { branch: 'three', into: 'whole' })
    assert.deepEqual(
      [refused.before, refused.conflicts.map(({ path, why }) => `${path}: ${why}`)],
      ['', ['/shared/both.txt: both have changed the same part']],
    )
    assert.deepEqual(
      [await inBranch('whole', 'cat both.txt'), await inBranch('three', 'cat both.txt')],
      [lines('A', 'b', 'c', 'd', 'E'), lines('x', 'b', 'c', 'd', 'e')],
    )
    assert.equal(read('both.txt'), lines('a', 'b', 'c', 'd', 'e'))
    for (const [into, why] of [
      ['three', /cannot be merged into itself/],
      ['one', /one is merged/],
      ['nothing', /There is no branch of files nothing/],
    ] as const)
      assert.match((await call('branch.merge', { branch: 'three', into })).text, why)
    await ok('branch.merge', { branch: 'three', into: 'whole', conflicts: 'workspace' })
    await ok('branch.merge', { branch: 'whole' })
    assert.equal(read('both.txt'), lines('A', 'b', 'c', 'd', 'E'))
  })
})

test('a call that asks for a branch works on it, and so do the calls that it makes', async () => {
  const probe = testCall(
    'probe.run',
    async (_input, { branch, call }) => {
      const { name, sandbox } = await branch()
      const input = { command: 'echo new > a.txt', cwd: '/shared', stdin: '', timeoutMs: 5_000, maxOutputBytes: 100 }
      await (await sandbox.hands('work')).ask('exec', input, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 })
      const read = await call('agent:other', probeReadName, {})
      return done(`${name} ${read.status === 'ok' ? read.text : ''}`)
    },
    { right: 'file.write', files: 'workspace', timeoutMs: 30_000 },
  )
  const reading = testCall(
    'probe.read',
    async (_input, { sandbox }) => {
      const input = { path: '/shared/a.txt', fromLine: 1, maxLines: 10, maxBytes: 100 }
      const { text } = await (await sandbox.hands('work')).ask('read', input, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 })
      return done(text)
    },
    { right: processRight, audience: ['runtime'], tier: 'read_only' },
  )
  await withBranches(
    async ({ write, read, ok, call }) => {
      write('a.txt', 'old')
      const outcome = (await call('probe.run', {})) as CallOutcome & { status: 'ok' }
      const [name = ''] = outcome.text.split(' ')
      assert.match(outcome.text, / new/)
      assert.equal(read('a.txt'), 'old')
      assert.equal((await ok<MergedBranch>('branch.merge', { branch: name })).total, 1)
      assert.equal(read('a.txt'), 'new\n')
    },
    { calls: [probe, reading] },
  )
})

test('an agent and its own agents work on its branch, cannot change the workspace through it, and whoever started it merges', async () => {
  const write = testCall(
    'probe.write',
    async (input: { text: string }, { sandbox }) => {
      const command = { command: `echo ${input.text} >> a.txt`, cwd: '/shared', stdin: '', timeoutMs: 5_000, maxOutputBytes: 100 }
      await (await sandbox.hands('work')).ask('exec', command, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 })
      return done('written')
    },
    { right: 'file.write', files: 'workspace', timeoutMs: 30_000 },
  )
  const refused: string[] = []
  const play: NonNullable<FixtureOptions['play']> = ({ messages }) => {
    const results = messages.flatMap((message) => (message.role === 'tool' ? [message.parts[0].text] : []))
    const task = textOf(messages.find(({ role }) => role === 'user')!)
    if (task.includes('grandchild')) return results.length === 0 ? asks(['probe_write', { text: 'grandchild' }]) : says('done')
    const steps = [
      asks(['branch_create', { name: 'own' }], ['version_restore', { path: '/', at: 'HEAD', apply: true }]),
      asks(['probe_write', { text: 'child' }]),
      asks(['agent_spawn', { task: 'be the grandchild', name: 'grandchild', rights: ['file.write'] }]),
      asks(['agent_wait', {}]),
      says('done'),
    ]
    if (results.length === 2) refused.push(...results)
    return steps[Math.max(0, results.length - 1)]!
  }
  await withBranches(
    async ({ write: put, read, ok, inBranch }) => {
      put('a.txt', 'old\n')
      const rights = ['file.write', 'version.write', 'agent.spawn', 'agent.use']
      const { id } = await ok<{ id: string }>('agent.spawn', { task: 'be the child', name: 'child', rights, files: 'branch' })
      const { agents } = await ok<{ agents: { state: string }[] }>('agent.wait', { agents: [id], timeout_s: 20 })
      assert.equal(agents[0]!.state, 'done', JSON.stringify(agents))
      assert.match(refused.join('\n'), /denied.*would change the workspace[^]*denied.*would change the workspace/)
      assert.equal(read('a.txt'), 'old\n')
      assert.equal(await inBranch(id, 'cat a.txt'), 'old\nchild\ngrandchild\n')
      await ok('branch.merge', { branch: id })
      assert.equal(read('a.txt'), 'old\nchild\ngrandchild\n')
    },
    { calls: [write], play, config: { approval: { privileged: 'allow' } } },
  )
})

test('texts merge where their changes do not touch', () => {
  const base = lines('a', 'b', 'c', 'd', 'e')
  assert.equal(mergeTexts(base, lines('a', 'x', 'b', 'c', 'd', 'e'), lines('a', 'b', 'c', 'e')), lines('a', 'x', 'b', 'c', 'e'))
  assert.equal(mergeTexts(base, lines('a', 'B', 'c', 'd', 'e'), lines('a', 'B', 'c', 'd', 'e', 'f')), lines('a', 'B', 'c', 'd', 'e', 'f'))
  assert.equal(mergeTexts(base, lines('a', 'B', 'c', 'd', 'e'), lines('a', 'b', 'C', 'd', 'e')), null)
  assert.equal(mergeTexts(base, '', lines('a', 'b', 'C', 'd', 'e')), null)
  assert.equal(mergeTexts('', lines('x'), ''), lines('x'))
})
