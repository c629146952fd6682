/** Undo as a person has it, of all that may have changed their files: lines among theirs, agents, graphs, schedules, a guest that is ended. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { program } from '../support/built.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { inTime } from '../support/patience.ts'
import { type Home, openHome } from '../support/program.ts'

const tool = (name: string, input: object) => ({ tool_call: { name, arguments: input } })
const steps = (...calls: readonly object[]) => [...calls.map((call) => ({ events: [call] })), { events: [{ text: 'Done.' }] }] as never
const write = (path: string, text: string) => tool('file_write', { path, text })

const script = {
  turns: [
    { match: 'Change line 5', steps: steps(tool('file_edit', { path: 'merged.txt', find: 'line 5', replace: 'LINE 5' })) },
    { match: 'Make folders', steps: steps(write('made/deep/x.txt', 'x'), write('kept/y.txt', 'y')) },
    {
      match: 'Delegate it',
      steps: steps(
        write('parent.txt', 'by the parent'),
        tool('agent_spawn', { task: 'Child: write.', name: 'helper' }),
        tool('agent_wait', { agents: ['helper'] }),
        tool('memory_save', { content: 'The parent was here.' }),
      ),
    },
    { match: 'Child: write', steps: steps(write('child.txt', 'by the child')) },
    { match: 'cd project; rm', steps: steps(tool('shell_exec', { command: 'cd project; rm -rf .git' })) },
    { match: 'rm -rf project/', steps: steps(tool('shell_exec', { command: 'rm -rf project/' })) },
    { match: 'rm -rf /shared/pro*', steps: steps(tool('shell_exec', { command: 'rm -rf /shared/pro*' })) },
    { match: 'On time', steps: steps(write('scheduled.txt', 'by a schedule')) },
    { match: 'Never ends', steps: [{ events: [write('ended.txt', 'before the end')] }, { events: [{ stall: true }] }] as never },
  ],
}

const graph = `
description = "Writes."
start = "write"
rights = ["file.write"]
[nodes.write]
type = "call"
call = "file.write"
input = { path = "by-graph.txt", text = "by a graph" }
next = "done"
[nodes.done]
type = "end"
`

describe('undo through the front door', () => {
  let model: TestModel
  let home: Home
  const shared = (name: string): string => join(home.folder, 'users', 'default', 'shared', name)
  const read = (name: string): string | null => (existsSync(shared(name)) ? readFileSync(shared(name), 'utf8') : null)
  const oxbow = async (...args: readonly string[]): Promise<string> => {
    const { exit, out, err } = await home.oxbow(args)
    assert.equal(exit, 0, `oxbow ${args.join(' ')}: ${out}${err}`)
    return out
  }
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { exit, out, err } = await home.oxbow(args)
    assert.notEqual(exit, 0, out)
    return err
  }
  const subjects = async () => (await home.json<{ subject: string; author: string }>('log')).map(({ subject }) => subject)
  const until = (is: () => Promise<boolean>, what: string): Promise<void> => {
    const look = async (): Promise<void> => ((await is()) ? undefined : look())
    return inTime(look(), () => what)
  }

  before(async () => {
    model = await startModel(script)
    const config = [
      '[model]',
      ...Object.entries(model.config).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
      '[memory]\nembedder = "none"',
      '[agent]\nrights = ["agent.spawn", "agent.use", "file.read", "file.write", "memory.write", "shell.run"]',
      '[approval]\nprivileged = "allow"\n[approval.calls]\n"agent.spawn" = "allow"',
    ].join('\n')
    home = await openHome(config)
    mkdirSync(join(home.folder, 'graphs'), { recursive: true })
    writeFileSync(join(home.folder, 'graphs', 'writer.toml'), graph)
  })
  after(async () => {
    await home[Symbol.asyncDispose]()
    await model[Symbol.asyncDispose]()
  })

  it('takes back only the lines of the turn from a file that the person has edited elsewhere', async () => {
    const lines = Array.from({ length: 12 }, (_, at) => `line ${at}`)
    writeFileSync(shared('merged.txt'), `${lines.join('\n')}\n`)
    await oxbow('run', 'Change line 5')
    const edited = lines.with(5, 'LINE 5').with(10, 'of the person').with(0, 'mine')
    writeFileSync(shared('merged.txt'), `${edited.join('\n')}\n`)
    assert.match(await oxbow('undo', '--yes'), /^Restored merged\.txt as it was before this turn\./)
    assert.equal(read('merged.txt'), `${lines.with(10, 'of the person').with(0, 'mine').join('\n')}\n`)
  })

  it('leaves a file whose lines the person has changed since, and says so', async () => {
    await oxbow('run', 'Change line 5')
    const text = read('merged.txt')!.replace('LINE 5', 'my own line 5')
    writeFileSync(shared('merged.txt'), text)
    assert.match(await refused('undo', '--yes'), /merged\.txt: the same part has been changed since/)
    assert.equal(read('merged.txt'), text)
  })

  it('leaves no folder that the turn made, and every one that was there', async () => {
    mkdirSync(shared('kept'))
    await oxbow('run', 'Make folders')
    await oxbow('undo', '--yes')
    assert.ok(!existsSync(shared('made')))
    assert.ok(existsSync(shared('kept')))
  })

  it('takes back what the agents of a turn did with it, and says what else the turn did', async () => {
    await oxbow('run', 'Delegate it')
    assert.deepEqual([read('parent.txt'), read('child.txt')], ['by the parent', 'by the child'])
    assert.ok((await subjects()).includes('Child: write.'), 'the version of the child has its task')
    const said = await oxbow(
      'undo',
      '--yes',
      (await home.json<{ turn: string; subject: string }[]>('undo', '--list'))[0]!.find(({ subject }) => subject === 'Delegate it')!.turn,
    )
    assert.match(
      said,
      /^Restored 3 things as they were before this turn\.\nThis turn also did what an undo does not take back: agent\.spawn/,
    )
    assert.deepEqual([read('parent.txt'), read('child.txt')], [null, null])
    await oxbow('redo', '--yes')
    assert.deepEqual([read('parent.txt'), read('child.txt')], ['by the parent', 'by the child'])
  })

  it('has a version of a graph, which names it, and undoes it', async () => {
    await oxbow('graph', 'run', 'writer')
    assert.equal(read('by-graph.txt'), 'by a graph')
    await until(async () => (await subjects())[0] === 'graph writer', 'the version of the graph')
    assert.match(await oxbow('undo', '--yes'), /^Removed by-graph\.txt/)
    assert.equal(read('by-graph.txt'), null)
  })

  it('has a version of the turn of a schedule', async () => {
    await oxbow('schedule', 'add', 'On time', '--name', 'timely', '--every', '3600')
    await oxbow('schedule', 'run', 'timely')
    await until(async () => (await subjects())[0]?.includes('On time') === true, 'the version of the schedule')
    assert.match(await oxbow('undo', '--yes'), /^Removed scheduled\.txt/)
  })

  for (const [named, command] of [
    ['by its name', 'cd project; rm -rf .git'],
    ['with the folder that it is in', 'rm -rf project/'],
    ['by a pattern', 'rm -rf /shared/pro*'],
  ] as const)
    it(`brings back a repository that a command has removed ${named}`, async () => {
      const inside = ['HEAD', 'refs/heads/main', 'objects/ab/cd'].map((name) => `project/.git/${name}`)
      for (const name of [...inside, 'project/a.txt', 'project/.env']) {
        mkdirSync(dirname(shared(name)), { recursive: true })
        writeFileSync(shared(name), name)
      }
      // Where tests run as root, hands have a user of their own.
      spawnSync('chmod', ['-R', 'a+rwX', shared('project')])
      await oxbow('run', command)
      assert.equal(read('project/.git/HEAD'), null)
      await oxbow('undo', '--yes')
      for (const name of [...inside, 'project/a.txt', 'project/.env']) assert.equal(read(name), name)
      rmSync(shared('project'), { recursive: true })
    })

  it('says what to do about a name that no turn has', async () => {
    assert.match(await refused('undo', 'zzz'), /No turn zzz: nothing was changed\.[^]*oxbow undo --list/)
  })

  it('takes the version that the log lists as the name of its turn', async () => {
    await oxbow('run', 'Make folders')
    const [newest] = await home.json<{ commit: string }>('log')
    await oxbow('undo', newest!.commit.slice(0, 8), '--yes')
    assert.ok(!existsSync(shared('made')))
  })

  it('has the version of a turn whose program is ended by SIGTERM', async () => {
    const env = { PATH: process.env['PATH'], HOME: home.folder, OXBOW_HOME: home.folder }
    const child = spawn(process.execPath, [program, 'run', 'Never ends', '--user', 'other'], { env, cwd: home.folder, stdio: 'ignore' })
    const ended = once(child, 'close')
    const file = join(home.folder, 'users', 'other', 'shared', 'ended.txt')
    await until(async () => (await new Promise((resolve) => setTimeout(resolve, 50)), existsSync(file)), 'the file')
    child.kill('SIGTERM')
    await ended
    const logged = await home.json<{ subject: string }>('log', '--user', 'other')
    assert.equal(logged[0]?.subject, 'Never ends')
    await oxbow('undo', '--yes', '--user', 'other')
    assert.ok(!existsSync(file))
  })
})
