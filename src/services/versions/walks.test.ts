import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { Hands, HandsOp, HandsOps, Sandbox } from '../../protocol/index.ts'
import { asks, openFixture, says } from '../../kernel/kernel-fixture.ts'

/** A sandbox whose walks of the workspace are counted. */
function countingWalks(sandbox: Sandbox): { readonly sandbox: Sandbox; readonly walks: { count: number } } {
  const walks = { count: 0 }
  const counting = (hands: Hands): Hands => ({
    async ask<Op extends HandsOp>(op: Op, input: HandsOps[Op]['input'], options: Parameters<Hands['ask']>[2]) {
      if (op === 'snapshot') walks.count += 1
      return hands.ask(op, input, options)
    },
  })
  const hands: Sandbox['hands'] = async (...args) => counting(await sandbox.hands(...args))
  return { sandbox: Object.create(sandbox, { hands: { value: hands } }) as Sandbox, walks }
}

test('a turn walks the workspace once before files that it names, and around each command', async () => {
  await using bench = await makeWorkbench()
  const { sandbox, walks } = countingWalks(bench.sandbox)
  const steps: ReturnType<typeof says>[] = []
  await using guest = await openFixture({
    sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: true }),
    play: () => steps.shift() ?? says('done'),
    config: { agent: { rights: ['shell.run', 'file.read', 'file.write'] }, approval: { privileged: 'allow' } },
  })
  let ended = 0
  const walksOf = async (...calls: readonly (readonly [string, unknown])[]): Promise<number> => {
    const before = walks.count
    steps.push(asks(...calls), says('done'))
    await guest.turn('Change files')
    ended += 1
    let seen = 0
    await guest.record(({ name, phase }) => name === 'version.after_turn' && phase === 'outcome' && (seen += 1) === ended)
    return walks.count - before
  }
  const first = ['file_write', { path: 'a.txt', text: 'one' }] as const
  const second = ['file_write', { path: 'b.txt', text: 'two' }] as const
  const command = ['shell_exec', { command: 'echo three > c.txt' }] as const
  await walksOf(first)
  assert.equal(await walksOf(first, second), 1)
  assert.equal(await walksOf(command), 2)
  writeFileSync(join(bench.root, 'shared', 'own.txt'), 'of the person')
  assert.equal(await walksOf(second), 1)
  const { commits } = await guest.kernel
    .call('version.log', { path: 'own.txt' })
    .then((outcome) => (outcome as unknown as { output: { commits: { subject: string }[] } }).output)
  assert.deepEqual(
    commits.map(({ subject }) => subject),
    ['Edits between turns'],
  )
})
