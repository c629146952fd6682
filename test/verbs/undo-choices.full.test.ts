/**
 * The preview of an undo and its answers, as a person has them at a prompt, in both chats and in a pipe: what was changed since is kept or
 * overwritten, and what an undo does not take back is named with what makes up for it.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Home, openHome } from '../support/program.ts'
import { openTerminal } from '../tui/virtual-terminal.ts'

const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const write = (path: string, text: string): object => call('file_write', { path, text })
const done = { events: [{ text: 'Done.' }] }
const scenario = {
  turns: [
    { match: 'Change both', steps: [write('mine.txt', 'of the agent'), write('other.txt', 'of the agent'), done] },
    { match: 'Change one', steps: [write('mine.txt', 'of the agent'), done] },
    {
      match: 'Begin things',
      steps: [
        write('begun.txt', 'x'),
        call('agent_spawn', { task: 'Stay.', name: 'stayer', keep: true }),
        call('agent_wait', { agents: ['stayer'] }),
        call('events_subscribe', { name: 'nights', kinds: ['turn_ended'] }),
        call('branch_create', { name: 'try' }),
        call('shell_background', { command: 'sleep 600' }),
        done,
      ],
    },
    { match: 'Stay.', steps: [{ events: [{ text: 'I am here.' }] }] },
  ],
}

describe('the answers to the preview of an undo', () => {
  let home: Home
  let scripts = ''
  const shared = (name: string): string => join(home.folder, 'users', 'default', 'shared', name)
  const read = (name: string): string | null => (existsSync(shared(name)) ? readFileSync(shared(name), 'utf8') : null)
  const oxbow = async (args: readonly string[], input = ''): Promise<string> => {
    if (process.env['OXBOW_TEST_SHOW'] !== undefined) process.stderr.write(`$ ${args.join(' ')}\n`)
    const { exit, out, err } = await home.oxbow(args, input)
    assert.equal(exit, 0, `oxbow ${args.join(' ')}: ${out}${err}`)
    return out
  }
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { exit, out, err } = await home.oxbow(args)
    assert.notEqual(exit, 0, out)
    return err
  }
  /** Both files as before the turn, then as it left them, and then one changed by the person. */
  const changeBoth = async (): Promise<void> => {
    writeFileSync(shared('mine.txt'), 'first')
    writeFileSync(shared('other.txt'), 'first')
    await oxbow(['run', 'Change both'])
    writeFileSync(shared('mine.txt'), 'of the person')
  }
  const see = (screen: ReturnType<typeof openTerminal>): void => {
    if (process.env['OXBOW_TEST_SHOW'] !== undefined) process.stderr.write(`${screen.rows().join('\n').trimEnd()}\n${'='.repeat(40)}\n`)
  }

  before(async () => {
    scripts = mkdtempSync(join(tmpdir(), 'oxbow-script-'))
    writeFileSync(join(scripts, 'scenario.json'), JSON.stringify(scenario))
    home = await openHome(
      [
        '[model]\nprovider = "scripted"',
        `scenario = ${JSON.stringify(join(scripts, 'scenario.json'))}`,
        '[memory]\nembedder = "none"',
        '[agent]\nrights = ["agent.spawn", "agent.use", "events.read", "file.read", "file.write", "shell.run"]',
        '[approval]\nprivileged = "allow"\n[approval.calls]\n"agent.spawn" = "allow"',
      ].join('\n'),
    )
  })
  after(async () => {
    await home[Symbol.asyncDispose]()
    rmSync(scripts, { recursive: true })
  })

  it('keep what was changed since at the prompt, and change nothing at any other answer', async () => {
    await changeBoth()
    for (const no of ['', 'y', 'n']) {
      const terminal = openTerminal({ home: home.folder, args: ['undo'] })
      await terminal.see('In the way: mine.txt', 'k  keeps later changes', 'o  overwrites them', '[k/o/N]')
      see(terminal)
      terminal.type(`${no}\r`)
      await terminal.see('Nothing was changed.')
      assert.equal(await terminal.exit, 0)
      assert.deepEqual([read('mine.txt'), read('other.txt')], ['of the person', 'of the agent'])
    }
    const terminal = openTerminal({ home: home.folder, args: ['undo'] })
    await terminal.see('[k/o/N]')
    terminal.type('k\r')
    await terminal.see('Restored other.txt', 'oxbow redo')
    assert.equal(await terminal.exit, 0)
    see(terminal)
    assert.match(terminal.rows().join('\n'), /Restored other\.txt[^]*Left mine\.txt as it is[^]*oxbow redo/)
    assert.deepEqual([read('mine.txt'), read('other.txt')], ['of the person', 'first'])
  })

  it('show what would be overwritten before they do it', async () => {
    writeFileSync(shared('mine.txt'), 'first')
    await oxbow(['run', 'Change one'])
    writeFileSync(shared('mine.txt'), 'of the person')
    const terminal = openTerminal({ home: home.folder, args: ['undo'] })
    await terminal.see('Nothing can be taken back unless', '[o/N]')
    assert.ok(!terminal.rows().join('\n').includes('k  keeps'))
    terminal.type('o\r')
    await terminal.see('-of the person', '+first', 'Undo this? [y/N]')
    see(terminal)
    // Seen, and then changed again: that was not agreed to.
    writeFileSync(shared('mine.txt'), 'of the person, later')
    terminal.type('y\r')
    await terminal.see('something else to take back now')
    assert.notEqual(await terminal.exit, 0)
    assert.match(terminal.rows().join('\n'), /something else to take back now than what you have seen/)
    assert.equal(read('mine.txt'), 'of the person, later')
    assert.match(await refused('undo'), /Nobody can be asked here[^]*--overwrite --yes/)
    assert.match(await refused('undo', '--yes'), /Nothing was changed[^]*--overwrite/)
    await oxbow(['undo', '--overwrite', '--yes'])
    assert.equal(read('mine.txt'), 'first')
  })

  it('are commands of a chat line by line, which a pipe types too', async () => {
    await changeBoth()
    const lines = (...all: readonly string[]): Promise<string> => oxbow(['chat'], all.map((line) => `${line}\n`).join(''))
    assert.match(await lines('/undo keep'), /Nothing waits for this answer: \/undo shows first/)
    const shown = await lines('/undo', '/undo no')
    assert.match(shown, /In the way: mine\.txt[^]*\/undo keep[^]*\/undo overwrite[^]*\/undo no[^]*Nothing was changed\./)
    assert.equal(read('other.txt'), 'of the agent')
    const overwritten = await lines('/undo', '/undo overwrite', '/undo yes', '/redo', '/redo yes', '/undo list')
    assert.match(
      overwritten,
      /-of the person\n[^]*\/undo yes[^]*Restored 2 files[^]*\/redo brings it back\.[^]*\/redo yes[^]*Restored 2 files/,
    )
    assert.deepEqual([read('mine.txt'), read('other.txt')], ['of the person', 'of the agent'])
    assert.match(await lines('/undo nosuchturn'), /No turn nosuchturn/)
  })

  it('are keys of the full-screen terminal', async () => {
    await changeBoth()
    const terminal = openTerminal({ home: home.folder, args: ['tui'], columns: 80, lines: 30 })
    await terminal.see('● new session')
    terminal.type('/undo\r')
    await terminal.see('Undo a turn', 'Change both')
    terminal.type('\r')
    await terminal.see('Undo: Change both', 'In the way: mine.txt', 'k keeps later changes', 'o overwrites them', 'Esc changes nothing')
    see(terminal)
    // None of the answers, so nothing happens.
    terminal.type('\r')
    terminal.type('y')
    terminal.type('o')
    await terminal.see('-of the person', 'Enter undoes it')
    see(terminal)
    terminal.type('\r')
    await terminal.see('Restored 2 files', '/redo brings it back.')
    assert.deepEqual([read('mine.txt'), read('other.txt')], ['first', 'first'])
    terminal.type('/redo\r')
    await terminal.see('Redo: ', 'Enter brings it back')
    see(terminal)
    terminal.type('\r')
    await terminal.see('/undo takes it back again.')
    assert.deepEqual([read('mine.txt'), read('other.txt')], ['of the person', 'of the agent'])
    terminal.type('\u0004')
    assert.equal(await terminal.exit, 0)
  })

  it('name what is not taken back, with the commands that make up for it, which do', async () => {
    await oxbow(['run', 'Begin things'])
    const said = await oxbow(['undo', '--dry-run'])
    if (process.env['OXBOW_TEST_SHOW'] !== undefined) process.stderr.write(said)
    const commands = [...said.matchAll(/To make up for (\S+): oxbow (call (\S+) '(.*)')$/gm)]
    assert.deepEqual(
      commands.map(([, of, , by]) => [of, by]),
      [
        ['agent.spawn', 'agent.kill'],
        ['events.subscribe', 'events.unsubscribe'],
        ['branch.create', 'branch.drop'],
        ['shell.background', 'shell.session_close'],
      ],
    )
    await oxbow(['undo', '--yes'])
    assert.equal(read('begun.txt'), null)
    for (const [, , , by = '', quoted = ''] of commands) await oxbow(['call', by, quoted])
    assert.deepEqual([await home.json('agents'), await home.json('branch', 'list')], [[], []])
  })
})
