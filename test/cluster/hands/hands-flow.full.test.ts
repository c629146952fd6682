/** What was private stays so where agents have their hands on another node: labels are kept at home, whatever travels. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DefinitionText, HostPort } from '../../../src/config/index.ts'
import { asks, done, type Fixture, newCallId, openFixture, says, testCall } from '../../../src/kernel/kernel-fixture.ts'
import type { CallOutcome } from '../../../src/protocol/index.ts'
import { builtinCalls } from '../../../src/tools/index.ts'
import { type HandsCluster, handsSkip, startHandsCluster } from './hands-fixture.ts'

const rights = ['file.read', 'file.write', 'shell.run']
const builder: DefinitionText = {
  kind: 'agents',
  name: 'builder',
  toml: `description = "Builds."\nrights = ${JSON.stringify(rights)}\nfiles = "branch"\nhands = "anywhere"`,
  text: 'Build.',
  problem: '',
}

const secret = testCall('probe.secret', async () => done('the secret'), {
  right: 'file.read',
  tier: 'read_only',
  labels: { adds: ['private'], sink: false },
})

type Step = readonly [name: string, args?: unknown]

/** What each agent does, by a word of its goal. */
let scripts: Readonly<Record<string, readonly Step[]>> = {}

function openGuest({ bench }: HandsCluster): Promise<Fixture> {
  return openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: [...builtinCalls({ files: true, shell: true, profiles: ['work'] }), secret],
    config: {
      agent: { rights: [...rights, 'agent.spawn', 'agent.use'] },
      approval: { privileged: 'allow' },
      agents: { elsewhere: ['builder'] },
    },
    host: { definitions: async () => [builder] } as unknown as HostPort,
    play: ({ messages }) => {
      const said = JSON.stringify(messages[0])
      const word = Object.keys(scripts).find((each) => said.includes(each))
      const step = word === undefined ? undefined : scripts[word]![(messages.length - 1) / 2]
      return step === undefined ? says('done') : asks(step)
    },
  })
}

/** @returns the labels of a session in which an agent at home has done this */
async function labelsOf(guest: Fixture, steps: readonly Step[]): Promise<string> {
  scripts = { 'the errand': steps }
  const { id } = await guest.kernel.createSession('one')
  const { turn } = await guest.kernel.sendTurn({ session: id, clientId: newCallId(), text: 'Run the errand.' })
  const over = Promise.withResolvers<void>()
  const stop = await guest.kernel.follow(id, 0, (event) => {
    if (event.type === 'record' && (event.record.call as string) === turn && event.record.phase === 'outcome') over.resolve()
  })
  await over.promise
  stop()
  return (await guest.store.session(id))?.labels ?? ''
}

test(
  'private data stays labelled through hands on another node, a branch that is merged and a fan-out',
  { skip: handsSkip() },
  async () => {
    await using cluster = await startHandsCluster()
    const far = await cluster.startNode('far', { capacity: 4 })
    await using guest = await openGuest(cluster)
    const labelsAfter = (...steps: readonly Step[]) => labelsOf(guest, steps)
    type Task = { readonly status: string; readonly branch: string }
    const fanOut = async (of: Readonly<Record<string, readonly Step[]>>): Promise<readonly Task[]> => {
      scripts = of
      const tasks = Object.keys(of).map((id) => ({ id, agent: 'builder', goal: `Build ${id}.` }))
      const ended = (await guest.kernel.call('agent.fan_out', { tasks }, guest.session)) as CallOutcome & { status: 'ok' }
      assert.equal(ended.status, 'ok', ended.text)
      return (ended.output as { tasks: readonly Task[] }).tasks
    }
    const merge = async ({ branch }: Task): Promise<CallOutcome & { status: 'ok' }> => {
      const merged = (await guest.kernel.call('branch.merge', { branch })) as CallOutcome & { status: 'ok' }
      assert.equal(merged.status, 'ok', merged.text)
      return merged
    }
    assert.match(await labelsAfter(['probe_secret'], ['file_write', { path: 'secret.txt', text: 'the secret' }]), /private/)

    // What has seen nothing private is not.
    const [plain] = await fanOut({ plain: [['file_write', { path: 'plain.txt', text: 'plain' }]] })
    await merge(plain!)
    assert.doesNotMatch(await labelsAfter(['file_read', { path: 'plain.txt' }]), /private/)

    // Where it was private at home it is so on the other node, read as a file and by a command, and what is made of it there.
    const tasks = await fanOut({
      copying: [['shell_exec', { command: 'cat secret.txt > copied.txt' }]],
      renaming: [['shell_exec', { command: 'mv secret.txt renamed.txt' }]],
      writing: [['probe_secret'], ['shell_exec', { command: 'mkdir -p out; echo it is > out/written.txt' }]],
      linking: [['shell_exec', { command: 'ln -s secret.txt link.txt; ln secret.txt hard.txt' }]],
    })
    assert.deepEqual(
      tasks.map(({ status }) => status),
      ['success', 'success', 'success', 'success'],
    )
    assert.match(far.said(), /hands for ada of home/)
    const [copying, renaming, writing, linking] = tasks
    for (const each of [copying!, writing!, linking!, renaming!]) assert.ok((await merge(each)).labels?.includes('private'), each.branch)
    for (const path of ['copied.txt', 'out/written.txt', 'hard.txt', 'link.txt', 'renamed.txt'])
      assert.match(await labelsAfter(['file_read', { path }]), /private/, path)
    assert.match(await labelsAfter(['shell_exec', { command: 'cat out/written.txt' }]), /private/)
  },
)
