import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RecordView } from '../protocol/index.ts'
import { newPicker } from './picker.ts'
import { createJournal, followed, openApp, opened, recorded, session } from './tui-fixture.ts'
import { textOfItem } from './transcript.ts'

const types = (effects: readonly { readonly type: string }[]): readonly string[] => effects.map(({ type }) => type)

/** A session in which a command waits for approval. */
function asking(app: ReturnType<typeof openApp>, input = '{"command":"make\\ntest","cwd":"/shared"}'): readonly RecordView[] {
  const { add, begin } = createJournal()
  const records = [...begin('t', 'build it'), add('t', 'g', 'model.generate', 'intent', { input: {} })]
  opened(app, records, true)
  followed(app, recorded(add('t', 'g.0', 'shell.exec', 'parked', { input, reason: 'the policy is to ask' })))
  return records
}
const call = 'g.0'
const rules = [{ scope: 'pattern' as const, id: 'r1', text: 'shell.exec with command "make"' }]

describe('sending', () => {
  it('shows the message at once, and keeps it in the history of the editor', () => {
    const app = openApp()
    const [effect] = app.press('hello', 'enter')
    assert.deepEqual(effect, { type: 'send', id: 'message-1', text: 'hello', files: [], model: '' })
    assert.match(app.text(), /› hello\n +sending …/)
    app.press('up')
    assert.equal(app.state().editor.text, 'hello')
  })

  it('gives the text back when the message is refused', () => {
    const app = openApp()
    app.press('hello', 'enter')
    const failure = { code: 'limit_reached', message: 'The budget is used up.', hint: 'Raise it.' } as const
    app.send({ type: 'send_failed', message: 'message-1', text: 'hello', failure })
    assert.equal(app.state().editor.text, 'hello')
    assert.match(app.text(), /not sent[^]*The budget is used up\.\n +Raise it\./)
  })

  it('begins a new line with Shift+Enter, Ctrl+J, and a backslash before Enter', () => {
    const app = openApp()
    app.press('a', 'shift+enter', 'b', 'ctrl+j', 'c\\', 'enter')
    assert.equal(app.state().editor.text, 'a\nb\nc\n')
  })

  it('takes a path and two slashes for a message', () => {
    const app = openApp()
    assert.deepEqual(
      app.press('/home/ada/notes.md says what?', 'enter').map((effect) => 'text' in effect && effect.text),
      ['/home/ada/notes.md says what?'],
    )
    assert.deepEqual(
      app.press('//help me', 'enter').map((effect) => 'text' in effect && effect.text),
      ['/help me'],
    )
  })

  it('asks the guest for a command of the person, and sends the message that it stands for', () => {
    const app = openApp()
    assert.deepEqual(app.press('/review a.ts', 'escape', 'enter'), [{ type: 'expand', name: 'review', line: '/review a.ts' }])
    const [effect] = app.send({ type: 'expanded', text: 'Review a.ts.' })
    assert.equal(effect?.type === 'send' && effect.text, 'Review a.ts.')
    assert.match(app.text(), /Review a\.ts\./)
  })

  it('completes commands, and runs a whole one with one Enter', () => {
    const app = openApp()
    app.press('/', 's', 'e')
    assert.match(app.text(), /› \/sessions +choose a session/)
    app.press('tab')
    assert.equal(app.state().editor.text, '/sessions ')
    assert.deepEqual(types(app.press('enter')), ['list_sessions'])
    assert.deepEqual(types(app.press('/', 'cost', 'enter')), ['list_commands', 'cost'])
  })

  it('completes the commands of the person too, when the guest has named them, and lists them in the help', () => {
    const app = openApp()
    assert.deepEqual(types(app.press('/', 'r', 'e', 'v')), ['list_commands'])
    assert.equal(app.state().completion, null)
    app.send({ type: 'commands', own: [{ name: 'review', argument: 'FILE', help: 'Review one file' }] })
    assert.match(app.text(), /› \/review FILE +Review one file/)
    app.press('tab')
    assert.equal(app.state().editor.text, '/review ')
    app.press('ctrl+u')
    app.press('/help', 'escape', 'enter')
    assert.match(app.state().transcript.live.concat(app.state().transcript.past).map(textOfItem).join(), /\/review FILE +review one file/i)
  })

  it('names a file of the workspace and attaches one of the person', () => {
    const app = openApp()
    assert.deepEqual(app.press('see @', 'n'), [
      { type: 'complete_files', query: '' },
      { type: 'complete_files', query: 'n' },
    ])
    app.send({ type: 'files', query: '', files: [{ path: '/shared/old.md', isFolder: false, isOwn: false }] })
    assert.match(app.text(), /looking for files/, 'an answer to an earlier query is not shown')
    app.send({ type: 'files', query: 'n', files: [{ path: '/shared/notes.md', isFolder: false, isOwn: false }] })
    app.press('enter')
    assert.equal(app.state().editor.text, 'see /shared/notes.md ')
    app.press('@./n')
    app.send({ type: 'files', query: './n', files: [{ path: './notes.md', isFolder: false, isOwn: true }] })
    assert.deepEqual(app.press('enter'), [{ type: 'attach', path: './notes.md' }])
    app.send({ type: 'attached', file: { name: 'notes.md', path: '/home/ada/notes.md', bytes: 1_200 } })
    assert.match(app.text(), /\+ notes\.md \(1\.2 kB\)/)
    const [sent] = app.press('enter')
    assert.deepEqual(sent?.type === 'send' && [sent.text, sent.files.length], ['see /shared/notes.md', 1])
  })
})

describe('Ctrl+C', () => {
  it('stops the turn, and leaves when pressed again', () => {
    const app = openApp()
    opened(app, createJournal().begin('t', 'hi'), true)
    app.press('typed ahead')
    assert.deepEqual(types(app.press('ctrl+c')), ['cancel'])
    assert.equal(app.state().editor.text, 'typed ahead')
    assert.deepEqual(types(app.press('ctrl+c')), ['exit'])
  })

  it('clears what is typed, and leaves only when pressed twice in time', () => {
    const app = openApp()
    app.press('hello')
    assert.deepEqual(app.press('ctrl+c'), [])
    assert.equal(app.state().editor.text, '')
    assert.deepEqual(app.press('ctrl+c'), [])
    app.passes(5_000)
    assert.deepEqual(app.press('ctrl+c'), [])
    assert.deepEqual(types(app.press('ctrl+c')), ['exit'])
  })
})

describe('a question', () => {
  it('is answered by a letter, and shows the exact input', () => {
    const app = openApp()
    asking(app, '{"command":"echo \\u202etxt.exe\\npаth"}')
    app.passes(1_000)
    assert.match(app.text(), /shell_exec asks to run/)
    assert.match(app.text(), /echo \\u202etxt\.exe\n[^\n]*p\\u0430th/)
    assert.deepEqual(app.press('y'), [{ type: 'decide', call, decision: { allow: true } }])
  })

  it('takes no key that was typed before it, nor in its first moment', () => {
    const app = openApp()
    app.press('y')
    asking(app)
    assert.deepEqual(app.press('y', 'y'), [])
    assert.equal(app.state().editor.text, 'yyy')
    assert.match(app.text(), /Press Tab to answer/)
    app.passes(5_000)
    app.send({ type: 'tick' })
    assert.equal(app.state().question?.focused, false, 'there is text in the editor')
    app.press('tab')
    assert.deepEqual(app.press('y'), [], 'its first moment')
    app.passes(500)
    assert.deepEqual(types(app.press('y')), ['decide'])
  })

  it('comes by itself to a person who has paused, but not again to one who went back to the text', () => {
    const app = openApp()
    app.press('pageUp')
    asking(app)
    assert.equal(app.state().question?.focused, false)
    app.passes(2_000)
    app.send({ type: 'tick' })
    assert.equal(app.state().question?.focused, true)
    app.passes(500)
    app.press('escape')
    app.passes(60_000)
    app.send({ type: 'tick' })
    assert.deepEqual(app.press('y'), [])
    assert.equal(app.state().editor.text, 'y')
  })

  it('takes no keys while a dialog hides it', () => {
    const app = openApp()
    asking(app)
    app.passes(1_000)
    app.send({ type: 'dialog', dialog: newPicker('sessions', 'Sessions', [{ id: session, label: 'Ports', detail: '' }]) })
    assert.deepEqual(types(app.press('enter')), ['open'])
    assert.equal(app.state().question?.isSent, false)
  })

  it('is not answered by pasted text', () => {
    const app = openApp()
    asking(app)
    app.passes(1_000)
    assert.deepEqual(app.send({ type: 'paste', text: 'y' }), [])
    assert.deepEqual(app.press('yes'), [])
  })

  it('shows a rule whole before Enter keeps it', () => {
    const app = openApp()
    asking(app)
    app.send({ type: 'rules', call: call as never, rules, labels: true })
    app.passes(1_000)
    assert.deepEqual(app.press('1'), [])
    assert.match(app.text(), /shell\.exec with command "make"/)
    assert.deepEqual(app.press('enter'), [
      { type: 'decide', call, decision: { allow: true, remember: { scope: 'pattern', rule: 'r1', labels: true } } },
    ])
  })

  it('denies with a reason, and runs a changed input', () => {
    const app = openApp()
    asking(app)
    app.passes(1_000)
    assert.deepEqual(app.press('r', 'use make', 'enter'), [{ type: 'decide', call, decision: { allow: false, reason: 'use make' } }])
    app.send({ type: 'decide_failed', call: call as never, failure: { code: 'denied', message: 'Not you.', hint: '' } })
    assert.match(app.text(), /Not you\./)
    app.press('escape', 'e', 'ctrl+u')
    app.press('{broken', 'enter')
    assert.match(app.text(), /This is not JSON/)
  })

  it('goes away when it is decided elsewhere', () => {
    const app = openApp()
    asking(app)
    followed(app, recorded(createJournal().add('t', call, 'shell.exec', 'decided', { allow: false })))
    assert.equal(app.state().question, null)
  })
})

describe('a long conversation', () => {
  const turns = 2_500
  const journal = createJournal()
  const records = Array.from({ length: turns }, (_, at) =>
    journal.turn(`t${at}`, `question ${at}`, `**answer** ${at}\n\nwith two paragraphs`),
  ).flat()

  it('asks for the heights of no more items than a screen shows, wherever it stands', () => {
    const app = openApp()
    opened(app, records)
    app.text()
    app.takeHeights()
    for (const keys of [['x'], ['pageUp', 'pageUp'], ['shift+up'], ['ctrl+end']]) {
      app.press(...keys)
      app.text()
      assert.ok(app.takeHeights() < 200, keys.join(' '))
    }
    assert.match(app.text(), /question 2499[^]*answer 2499/)
  })

  it('scrolls back to where it was', () => {
    const app = openApp()
    opened(app, records)
    const end = app.text()
    app.press('pageUp', 'pageUp', 'pageUp')
    assert.notEqual(app.text(), end)
    assert.match(app.text(), /newer messages below/)
    app.press('pageDown', 'pageDown', 'pageDown', 'pageDown')
    assert.equal(app.text(), end)
  })

  it('keeps its place while an answer streams below, and when older messages come', () => {
    const app = openApp()
    opened(app, [...records.slice(0, 500), ...journal.begin('u', 'more')], true)
    app.press('pageUp', 'pageUp')
    const place = app.text().split('\n').slice(0, 5)
    followed(app, { type: 'text', turn: 'u' as never, call: 'ug' as never, text: 'word\n\n'.repeat(50) })
    assert.deepEqual(app.text().split('\n').slice(0, 5), place)
    app.send({ type: 'older', session, records: records.slice(0, 300), next: null })
    assert.deepEqual(app.text().split('\n').slice(0, 5), place)
  })

  it('asks for older records at its beginning, once', () => {
    const app = openApp()
    const info = { id: session, title: '', created_at: 0, active_at: 0, turns: 1, busy: false }
    app.send({ type: 'opened', session: info, records: records.slice(0, 50), next: 77 })
    assert.deepEqual(app.press('ctrl+home', 'pageUp'), [{ type: 'load_older', before: 77 }])
  })

  it('finds text, the newest first, and marks it', () => {
    const app = openApp('dark')
    opened(app, records)
    app.press('ctrl+f', 'question 12', 'enter')
    assert.match(app.text(), /search: question 12 +\d+ of 111/)
    const { found, at } = app.state().search!
    assert.equal(found[at], 't1298')
    assert.ok(app.frame().lines.some((line) => line.includes('\u001b[7mq')))
    app.press('escape')
    assert.equal(app.state().search, null)
  })
})

describe('the labels of a conversation', () => {
  it('stand in the status line, are read again when a record names a new one, and are gone with the session', () => {
    const app = openApp()
    const { add, begin } = createJournal()
    opened(app, begin('t', 'read it'), true)
    const reading = add('t', 'g', 'model.generate', 'intent', { labels: ['untrusted'] })
    assert.deepEqual(types(followed(app, recorded(reading))), ['read_labels'])
    app.send({
      type: 'labels',
      session,
      labels: [{ label: 'untrusted', from: ['https://example.com/', '/shared/a.txt'] }],
      mode: 'read only',
    })
    assert.match(app.text(), /Ports {2}read only · untrusted: https:\/\/example\.com\/ \+1/)
    assert.deepEqual(types(followed(app, recorded(reading))), [])
    app.send({ type: 'resize', columns: 40, rows: 12 })
    assert.match(app.text(), /Ports {2}read only · untrusted$/m)
    app.send({ type: 'fresh', title: '' })
    assert.doesNotMatch(app.text(), /untrusted|read only/)
  })
})

describe('the agents of a guest', () => {
  const typed = (app: ReturnType<typeof openApp>, line: string) => {
    app.press(...Array.from(line))
    return app.press('enter').at(-1)
  }

  it('are a list that is read anew while it is shown, keeps its place, and ends with the dialog', () => {
    const app = openApp()
    opened(app, [])
    const row = (id: string, label: string) => ({ id, label, detail: '10 tokens' })
    assert.deepEqual(typed(app, '/agents'), { type: 'watch_agents', isFirst: true })
    const [again] = app.send({ type: 'agents', rows: [row('a', 'boss  running'), row('b', '└ hand  test.step 1 s')], isFirst: true })
    assert.deepEqual(again, { type: 'watch_agents', isFirst: false })
    app.press('down')
    app.send({ type: 'agents', rows: [row('c', 'new'), row('b', '└ hand  waits for approval')], isFirst: false })
    assert.match(app.text(), /hand waits for approval/)
    assert.deepEqual(app.press('enter'), [{ type: 'open', prefix: 'b' }])
    assert.deepEqual(app.send({ type: 'agents', rows: [], isFirst: false }), [])
  })

  it('are told, paused, given more tokens and ended by commands', () => {
    const app = openApp()
    opened(app, [])
    assert.deepEqual(typed(app, '/tell hand look here too'), {
      type: 'control_agent',
      verb: 'tell',
      agent: 'hand',
      argument: 'look here too',
    })
    assert.deepEqual(typed(app, '/pause hand'), { type: 'control_agent', verb: 'pause', agent: 'hand', argument: '' })
    assert.deepEqual(typed(app, '/raise hand 5000'), { type: 'control_agent', verb: 'raise', agent: 'hand', argument: '5000' })
    assert.equal(typed(app, '/raise hand many'), undefined)
    assert.match(app.text(), /For example: \/raise reader 50000/)
  })
})
