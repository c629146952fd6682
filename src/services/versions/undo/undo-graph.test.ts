/** What the run of a graph has changed is undone as a turn is: by itself, and not with the turn before it. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../../tools/index.ts'
import { openGraphs } from '../../graphs/graph-fixture.ts'
import { asks, says } from '../../../kernel/kernel-fixture.ts'

const writes = `
description = "Changes files by name and by a command"
start = "write"
rights = ["file.write", "shell.run"]
[nodes.write]
type = "call"
call = "file.write"
input = { path = "/shared/graph.txt", text = "of the graph" }
next = "run"
[nodes.run]
type = "call"
call = 'shell.exec'
input = { command = "echo run > /shared/command.txt" }
next = "done"
[nodes.done]
type = "end"
`

interface Undone {
  readonly others: readonly string[]
  readonly turn: string
}

test('undo takes back the newest run of a graph, not the turn before it', { timeout: 120_000 }, async () => {
  await using bench = await makeWorkbench()
  const steps = [asks(['file.write', { path: '/shared/turn.txt', text: 'of the turn' }]), says('done')]
  await using guest = await openGraphs(
    { 'graphs/writes': writes },
    {
      sandbox: bench.sandbox,
      versionsFolder: join(bench.root, 'internal', 'versions'),
      calls: builtinCalls({ files: true, shell: true }),
      play: () => steps.shift() ?? says('done'),
      config: { approval: { privileged: 'allow' }, flow: { irreversible: 'allow' } },
    },
  )
  const there = (): readonly string[] =>
    ['turn.txt', 'graph.txt', 'command.txt'].filter((name) => existsSync(join(bench.root, 'shared', name)))
  await guest.turn('Write turn.txt')
  const run = await guest.run('writes')
  assert.equal(run.status, 'success', JSON.stringify(run))
  assert.deepEqual(there(), ['turn.txt', 'graph.txt', 'command.txt'])
  const undone = await guest.ok<Undone>('version.undo', { apply: true })
  assert.equal(undone.turn, run.id)
  assert.deepEqual(undone.others, ['shell.exec'])
  assert.deepEqual(there(), ['turn.txt'])
  await guest.ok('version.undo', { redo: true, apply: true })
  assert.deepEqual(there(), ['turn.txt', 'graph.txt', 'command.txt'])
  const named = await guest.ok<Undone>('version.undo', { turn: run.id, apply: true })
  assert.equal(named.turn, run.id)
  assert.deepEqual(there(), ['turn.txt'])
})
