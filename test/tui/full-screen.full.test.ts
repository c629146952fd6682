/** The full-screen terminal in a real pseudo-terminal, with a real guest: what a person sees and does in a first hour. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { shareCompileCache } from '../support/compile-cache.ts'
import { openTerminal, type VirtualTerminal } from './virtual-terminal.ts'

const answer = '## Done\n\nThe port is **8080** now.\n\n```ts\nconst port = 8080\n```\n'
const edit = { path: 'a.ts', find: 'const port = 80', replace: 'const port = 8080\nconst secure = true' }
const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const scenario = {
  turns: [
    {
      match: 'raise the port',
      steps: [
        {
          events: [
            { reasoning: 'First the file.' },
            { text: 'Let me look.' },
            { tool_call: { name: 'file_write', arguments: { path: 'a.ts', text: 'const port = 80\n' } } },
          ],
        },
        call('file_edit', edit),
        call('shell_exec', { command: 'echo one; echo two; echo three; echo four' }),
        { events: [{ text: answer }] },
      ],
    },
    { match: 'slowly', steps: [{ events: [{ text: 'It begins' }, { delay_ms: 2_000 }, { text: ' and it ends.' }] }] },
    { match: 'Pasted', steps: [{ events: [{ text: 'I have read it all.' }] }] },
    { steps: [{ events: [{ text: 'word ', count: 200 }] }] },
  ],
}

const keys = {
  enter: '\r',
  escape: '\u001b',
  up: '\u001b[A',
  pageUp: '\u001b[5~',
  ctrlC: '\u0003',
  ctrlF: '\u0006',
  ctrlO: '\u000f',
  ctrlEnd: '\u001b[1;5F',
  tab: '\t',
}

let home = ''
let terminal: VirtualTerminal

before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-tui-'))
  shareCompileCache(home)
  writeFileSync(join(home, 'scenario.json'), JSON.stringify(scenario))
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(home, 'scenario.json')}"\n`)
  mkdirSync(join(home, 'notes'))
  writeFileSync(join(home, 'notes', 'mine.md'), 'mine\n')
})
after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))

void describe('the full-screen terminal', () => {
  void it('shows how to begin, and takes what is typed before the guest has started', async () => {
    terminal = openTerminal({ home, lines: 50 })
    await terminal.see('Type a message; / for commands, @ for files')
    terminal.type('Raise the port')
    await terminal.see('› Raise the port', 'model    scripted/scripted', '/sessions', '● new session')
    assert.ok(terminal.isFullScreen())
  })

  void it('streams a turn, with the difference that an edit makes, and asks before a command', async () => {
    terminal.type(` and raise the port${keys.enter}`)
    await terminal.see(
      '▸ reasoning  First the file.',
      'Let me look.',
      '✓ file_edit  a.ts',
      '- const port = 80',
      '+ const port = 8080',
      '+ const secure = true',
    )
    await terminal.see(
      'shell_exec asks to run',
      'command: echo one; echo two; echo three; echo four',
      'why: shell.exec is privileged',
      '› y  Allow once',
      '2  Always allow calls like it',
    )
  })

  void it('shows a rule whole before it is kept, and runs the call once', async () => {
    await terminal.unsee('looking for rules')
    // Its first moment takes no key.
    await terminal.see('↑↓ and Enter')
    await terminal.typeUntil('1', () => terminal.rows().some((row) => row.includes('shell.exec with command')))
    terminal.type('y')
    await terminal.see(
      /✓ shell_exec {2}echo one; echo two; echo three; echo four +\d/,
      '… 3 more lines',
      '│ four',
      'The port is 8080 now.',
      'const port = 8080',
      / tokens\n/,
    )
    await terminal.unsee('asks to run')
    assert.ok(!terminal.rows().join('\n').includes('│ one'))
  })

  void it('unfolds calls to their input and output', async () => {
    terminal.type(keys.ctrlO)
    await terminal.see('│ cwd: /shared', '│ one')
    terminal.type(keys.ctrlO)
    await terminal.unsee('│ cwd: /shared')
  })

  void it('finds text and goes back to the end', async () => {
    terminal.type(`${keys.ctrlF}secure`)
    await terminal.see(/search: secure +1 of 1/, '+ const secure = true')
    terminal.type(keys.escape)
    await terminal.unsee('search:')
    terminal.type(keys.ctrlEnd)
    await terminal.see('The port is 8080 now.')
  })

  void it('redraws for another size, smaller and larger', async () => {
    terminal.resize(80, 24)
    await terminal.see(/^─{80}$/m, 'The port is 8080 now.')
    assert.ok(terminal.rows().every((row) => row.length <= 80))
    terminal.resize(200, 60)
    await terminal.see(/^─{200}$/m, '› Raise the port and raise the port', 'The port is 8080 now.')
    terminal.resize(100, 50)
    await terminal.see(/^─{100}$/m)
  })

  void it('holds a large pasted text as one, and sends it whole', async () => {
    const text = Array.from({ length: 300 }, (_, at) => `Pasted line ${at}`).join('\n')
    terminal.type(`\u001b[200~${text}\u001b[201~`)
    await terminal.see('› [Pasted text #1, 300 lines]')
    terminal.type(keys.enter)
    await terminal.see('Pasted line 299', 'I have read it all.')
  })

  void it('completes files of the workspace, and attaches one of the person', async () => {
    terminal.type('see @a.')
    await terminal.see('› /shared/a.ts')
    terminal.type(keys.tab)
    await terminal.see('› see /shared/a.ts')
    terminal.type('and @./notes/mi')
    await terminal.see('./notes/mine.md')
    terminal.type(keys.tab)
    await terminal.see('+ mine.md (5 bytes)')
    terminal.type(keys.enter)
    await terminal.see('› see /shared/a.ts', '+ mine.md', 'word word word')
  })

  void it('streams without clearing the screen', async () => {
    const from = terminal.written()
    terminal.type(`again${keys.enter}`)
    await terminal.see('› again', /word word word[^]*› again[^]*word word word[^]* tokens\n/)
    assert.equal(terminal.written().clears, from.clears)
  })

  void it('goes on with the turn when its guest is killed, and keeps what is typed', async () => {
    // The version of the first turn is committed in the background; a killed guest would leave none to go back to.
    const version = join(home, 'users', 'default', 'internal', 'versions', 'refs', 'heads', 'main')
    while (!existsSync(version)) await new Promise((resolve) => setTimeout(resolve, 50))
    terminal.type(`slowly${keys.enter}`)
    await terminal.see('It begins')
    terminal.type('typed meanwhile')
    const { pid } = JSON.parse(readFileSync(join(home, 'users', 'default', 'ipc', 'gateway.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    await terminal.see('starting another guest', 'typed meanwhile')
    await terminal.see('It begins and it ends.', '› typed meanwhile')
    const screen = terminal.rows().join('\n')
    assert.equal(screen.split('It begins').length, 2, screen)
    await terminal.unsee('Esc stops')
    terminal.type(keys.ctrlC)
    await terminal.unsee('typed meanwhile')
  })

  void it('leaves at a double Ctrl+C with the screen as it was, and says how to go on', async () => {
    terminal.type(keys.ctrlC)
    await terminal.see('Press Ctrl+C again to leave.')
    terminal.type(keys.ctrlC)
    assert.equal(await terminal.exit, 0)
    assert.ok(!terminal.isFullScreen())
    assert.match(terminal.rows().join('\n'), /To go on: oxbow --session [0-9a-f-]{11}/)
  })

  void it('continues a session, on a light background', async () => {
    terminal = openTerminal({ home, args: ['--continue'], background: 'rgb:ffff/ffff/ffff' })
    await terminal.see('It begins and it ends.')
    await terminal.until(() => terminal.coloursAt('slowly').background === 254)
    terminal.type(`/sessions${keys.enter}`)
    await terminal.see('── Sessions', 'Raise the port and raise the port', '1 of 1')
    terminal.type(`nothing`)
    await terminal.see('nothing matches')
    terminal.type(keys.escape)
    await terminal.unsee('── Sessions')
  })

  void it('brings files back with a preview', async () => {
    terminal.type(`/undo${keys.enter}`)
    await terminal.see('Undo a turn', 'Raise the port and raise the port')
    terminal.type(keys.escape)
    await terminal.unsee('Undo a turn')
    terminal.type('\u0004')
    assert.equal(await terminal.exit, 0)
  })

  void it('draws without colours where NO_COLOR is set, and restores the screen when it is ended', async () => {
    terminal = openTerminal({ home, args: ['tui', '--continue'], env: { NO_COLOR: '1' } })
    await terminal.see('It begins and it ends.')
    assert.deepEqual(terminal.coloursAt('slowly'), { foreground: -1, background: -1 })
    process.kill(terminal.pid, 'SIGTERM')
    assert.equal(await terminal.exit, 0)
    assert.ok(!terminal.isFullScreen())
  })

  void it('ends with the reason where the agent, or the session, that was asked for is not there, and leaves no session behind', async () => {
    for (const [args, said] of [
      [['--agent', 'nonesuch'], /error: There is no agent nonesuch/],
      [['--session', 'nonesuch'], /error: .*nonesuch/],
    ] as const) {
      terminal = openTerminal({ home, args })
      assert.equal(await terminal.exit, 4)
      const text = terminal.rows().join('\n')
      assert.match(text, said)
      assert.doesNotMatch(text, /To go on|starting another guest/)
    }
  })
})
