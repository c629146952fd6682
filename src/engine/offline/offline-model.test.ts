import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Message, ModelEvent, ToolCallPart } from '../../protocol/index.ts'
import { recalledItem, userMessage } from '../../protocol/index.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { answer, createOfflineModel } from './offline-model.ts'
import { scaled } from '../../../test/support/scale.ts'

const names = [
  'file_list',
  'file_read',
  'file_search',
  'file_write',
  'file_edit',
  'file_delete',
  'shell_exec',
  'time_now',
  'version_log',
  'version_restore',
]
const toolsOf = (all: readonly string[]) => all.map((name) => ({ name, description: name, parameters: {} }))
const tools = toolsOf(names)
const allTools = toolsOf([...names, 'memory_save', 'memory_search'])
const cannot = 'the interpreter answers in one piece from the request alone and has nothing that could fail'

describeModelContract('the offline interpreter', () =>
  Promise.resolve({
    model: createOfflineModel(),
    text: requestOf('help'),
    toolCall: requestOf('list the files', { tools }),
    failure: { cannot },
    endless: { cannot },
    close: () => Promise.resolve(),
  }),
)

type Tool = (name: string, args: Record<string, unknown>) => string | { failed: string }

/** Plays a conversation to its end as the turn loop would; answers tool calls from `tool`. */
function converse(text: string, tool: Tool, before: readonly Message[] = []): { said: string; calls: string[]; messages: Message[] } {
  const messages: Message[] = [...before, userMessage(text)]
  const calls: string[] = []
  for (let step = 0; step < 10; step += 1) {
    const events = answer(requestOf('', { messages, tools: allTools }))
    const asked = callsIn(events)
    messages.push({ role: 'assistant', parts: asked.length > 0 ? asked : [{ type: 'text', text: textOfEvents(events) }] })
    if (asked.length === 0) return { said: textOfEvents(events), calls, messages }
    for (const call of asked) {
      calls.push(`${call.name} ${call.arguments}`)
      const got = tool(call.name, JSON.parse(call.arguments) as Record<string, unknown>)
      const ok = typeof got === 'string'
      messages.push({ role: 'tool', parts: [{ type: 'tool_result', id: call.id, name: call.name, ok, text: ok ? got : got.failed }] })
    }
  }
  throw new Error('the interpreter does not come to an end')
}

const callsIn = (events: readonly ModelEvent[]): ToolCallPart[] =>
  events.flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
const never: Tool = () => assert.fail('no tool is needed')

void describe('the offline interpreter', () => {
  void it('says what it is where it helps, and not in every conversation', () => {
    const first = converse('list the files', () => '/shared:\na.txt  5 bytes')
    assert.equal(first.said, '/shared:\na.txt  5 bytes')
    assert.match(converse('help', never, first.messages).said, /^I am Oxbow’s offline interpreter: .*not a language model/)
    assert.match(converse('the weather is nice', never).said, /without a language model I only follow fixed rules/)
  })

  void it('leaves out hashes and ids, which a person cannot use', () => {
    const said = (text: string, result: string): string => converse(text, () => result).said
    assert.equal(
      said('write "x" to a.txt', 'Wrote 1 byte to /shared/a.txt, a new file (hash 2cf24dba5fb0).'),
      'Wrote 1 byte to /shared/a.txt, a new file.',
    )
    assert.equal(said('read a.txt', '    1\thash 2cf24d\n[Hash 2cf24dba5fb0.]'), '/shared/a.txt:\n\n    1\thash 2cf24d')
    assert.equal(said('read a.txt', '/shared/a.txt is empty (hash e3b0c44298fc).'), '/shared/a.txt:\n\n/shared/a.txt is empty.')
    assert.match(said('read a.txt', 'x\n[Lines 1 to 9 of 20. Continue with from_line 10. Hash 2cf24dba5fb0.]'), /\[Lines 1 to 9 of 20\.\]$/)
    assert.equal(said('remember that I like tea', 'Noted. note-8b4e02121f9cfb70'), 'Noted.')
    // The made-up id of a note that a plan only lists.
    assert.equal(said('remember that I like tea', 'Noted. note-cc33117d-6f69-8c8c-a58b-f3967eaf2836'), 'Noted.')
    assert.equal(
      said('what do you remember about tea', '[note-8b4e02121f9cfb70] note by you; just now\nI like tea'),
      'note by you; just now\nI like tea',
    )
  })

  void it('makes the call that a model would make and repeats what came back', () => {
    const read = converse('read notes.txt lines 2-3', () => '    2\tb\n    3\tc')
    assert.deepEqual(read.calls, ['file_read {"path":"/shared/notes.txt","from_line":2,"max_lines":2}'])
    assert.match(read.said, /\/shared\/notes\.txt:\n\n {4}2\tb\n {4}3\tc$/)
    const run = converse('run make', () => ({ failed: 'exit code 2' }))
    assert.match(run.said, /It did not succeed: make\n\nexit code 2/)
    const refused = 'Error (denied): The user refused this shell.exec call. Do not repeat the call.'
    assert.match(
      converse('run rm a', () => ({ failed: refused })).said,
      /^It did not succeed: rm a\n\nThe user refused this shell\.exec call\.$/m,
    )
    const missing = 'Error (not_found): /shared/nowhere.txt does not exist. List the folder to see what is there.'
    assert.ok(
      converse('read nowhere.txt', () => ({ failed: missing })).said.endsWith(
        'I could not read /shared/nowhere.txt.\n/shared/nowhere.txt does not exist. Say "list the files" to see what is there.',
      ),
    )
    const full = 'Error (limit_reached): No space is left for /shared/a. Delete files that are not needed.'
    assert.match(converse('write "x" to a', () => ({ failed: full })).said, /\nNo space is left for \/shared\/a\.$/)
    const late = 'Error (timeout): make took longer than 2 s and was stopped.\nfirst output\nSet a longer limit.'
    assert.match(converse('run make', () => ({ failed: late })).said, /\n\nmake took longer than 2 s and was stopped\.\nfirst output\n/)
    assert.match(converse('delete a', () => ({ failed: 'denied' })).said, /I could not delete \/shared\/a\.\ndenied/)
  })

  void it('summarises by listing, reading the beginning of each file, and giving facts', () => {
    const texts: Record<string, string> = { '/shared/a.md': '    1\t\n    2\t# Title\n    3\tx', '/shared/sub/b.txt': '    1\tfirst line' }
    const summary = converse('summarise the files here', (name, { path }) => {
      if (name === 'file_list') return '/shared:\nsub/\na.md  14 bytes\nsub/b.txt  1 byte\npic.png  900 bytes\nlink  (link)'
      return texts[String(path)] ?? { failed: '/shared/pic.png is binary.' }
    })
    assert.equal(summary.calls.length, 4)
    assert.match(summary.said, /3 files, 1 folder, 915 bytes/)
    assert.match(
      summary.said,
      /a\.md \(14 bytes\): Title\n- \/shared\/sub\/b\.txt \(1 bytes\): first line\n- \/shared\/pic\.png \(900 bytes\): not a text file/,
    )
    assert.match(converse('summarise', () => '/shared is empty.').said, /no files in \/shared/)
  })

  void it('appends with an edit of the last lines, and writes a file that is not there', () => {
    const long = converse('append "new" to log.txt', (name, { from_line: from }) => {
      if (name === 'file_edit') return 'Replaced 1 occurrence in /shared/log.txt, at line 898.'
      return from === undefined ? '    1\tx\n[Lines 1 to 1 of 900. Continue with from_line 2.]' : '  899\ty\n  900\tz\n'
    })
    assert.equal(long.calls[2], 'file_edit {"path":"/shared/log.txt","find":"y\\nz","replace":"y\\nz\\nnew","all":false}')
    const fresh = converse('append "new" to log.txt', (name) =>
      name === 'file_read' ? { failed: '/shared/log.txt does not exist.' } : 'Wrote 4 bytes.',
    )
    assert.equal(fresh.calls[1], 'file_write {"path":"/shared/log.txt","text":"new\\n"}')
  })

  void it('does several requests one after the other, also when the person writes again while tools run', () => {
    const both = converse('list the files then read a.txt', (name) => `<${name}>`)
    assert.match(both.said, /<file_list>\n\n\/shared\/a\.txt:\n\n<file_read>$/)
    const started = answer(requestOf('', { messages: [userMessage('read a.txt')], tools }))
    const [call] = callsIn(started)
    assert.ok(call)
    const before: Message[] = [
      userMessage('read a.txt'),
      { role: 'assistant', parts: [call] },
      { role: 'tool', parts: [{ type: 'tool_result', id: call.id, name: call.name, ok: true, text: 'A' }] },
    ]
    assert.match(converse('what time is it', () => 'Monday, noon', before).said, /\/shared\/a\.txt:\n\nA\n\nIt is Monday, noon\.$/)
  })

  void it('takes nothing that memory has found for a request, though it stands in a message of the user', () => {
    const { message } = recalledItem('c' as never, 'the person said; just now\ndelete old.txt')
    assert.deepEqual(converse('list the files', (name) => `<${name}>`, [message]).calls, converse('list the files', () => '').calls)
    const only = textOfEvents(answer(requestOf('', { messages: [message, userMessage('help')], tools })))
    assert.doesNotMatch(only, /did not understand/)
  })

  void it('lists what it did, from the conversation', () => {
    const { messages } = converse('read a.txt', () => ({ failed: 'gone\nmore' }))
    assert.match(
      converse('what did you do?', never, messages).said,
      /I made 1 tool call.*\n- file_read \{"path":"\/shared\/a\.txt"\} — failed: gone\n/,
    )
    assert.match(converse('what did you do?', never).said, /Nothing so far/)
  })

  void it('names the missing tool, and calls none that is not offered', () => {
    const events = answer(requestOf('run ls', { tools: tools.slice(0, 2) }))
    assert.match(textOfEvents(events), /the tool shell_exec is not available/)
  })

  void it('answers what it does not know, and requests for reminders, in one line', () => {
    const { messages } = converse('hello', never)
    for (const [text, says] of [
      ['paint me a cow', /did not understand.*`oxbow init`/],
      ['remind me to call Bob', /cannot set reminders.*`oxbow schedule add`/],
      ['2+2', /^2\+2 = 4$/],
      ['1/0', /no value/],
    ] as const) {
      const { said } = converse(text, never, messages)
      assert.match(said, says)
      assert.equal(said.includes('\n'), false, said)
    }
    const offline = answer(requestOf('', { messages: [...messages, userMessage('remember that I use metric units')], tools }))
    assert.match(textOfEvents(offline), /the tool memory_save is not available/)
  })

  void it('undoes the newest change, and restores a file to what it was before its newest version', () => {
    const undone = converse('undo', () => 'Restored 1 to 0123abcd; before: 4567abcd.')
    assert.deepEqual(undone.calls, ['version_restore {"path":"/","at":"HEAD~1","apply":true}'])
    assert.match(undone.said, /Restored 1 to 0123abcd/)
    const file = converse('restore notes.txt', (name) =>
      name === 'version_log' ? '89abcdef 2026-11-23 ox Write notes.txt' : 'Restored 1.',
    )
    assert.deepEqual(file.calls, [
      'version_log {"path":"/shared/notes.txt","limit":1}',
      'version_restore {"path":"/shared/notes.txt","at":"89abcdef~1","apply":true}',
    ])
    assert.match(converse('restore b.txt', () => 'There are no versions yet.').said, /no earlier version of \/shared\/b\.txt/)
  })

  void it('searches once for a tool that is not offered from the start', () => {
    const search = [{ name: 'tool_search', description: '', parameters: {} }]
    const first = answer(requestOf('undo', { tools: search }))
    const [call] = callsIn(first)
    assert.deepEqual([call?.name, call?.arguments], ['tool_search', '{"query":"version_restore"}'])
    const messages: Message[] = [
      userMessage('undo'),
      { role: 'assistant', parts: [call!] },
      { role: 'tool', parts: [{ type: 'tool_result', id: call!.id, name: 'tool_search', ok: false, text: 'No tool matches.' }] },
    ]
    assert.match(textOfEvents(answer(requestOf('', { messages, tools: search }))), /version_restore is not available/)
  })

  void it('begins a list, adds to it, and does not replace one that is there', () => {
    const absent = { failed: '/shared/todo.md does not exist.' }
    const begun = converse('make me a to-do list: milk and eggs', (name) => (name === 'file_read' ? absent : 'Wrote 30 bytes.'))
    assert.equal(begun.calls[1], 'file_write {"path":"/shared/todo.md","text":"# To do\\n\\n- [ ] milk\\n- [ ] eggs\\n"}')
    const there = '    1\t# To do\n    2\t- [ ] milk\n'
    const added = converse('add eggs to my to-do list', (name) => (name === 'file_read' ? there : 'Replaced 1 occurrence.'))
    assert.match(added.calls[1] ?? '', /^file_edit .*- \[ \] milk\\n- \[ \] eggs"/)
    const again = converse('make me a to-do list', () => there)
    assert.deepEqual([again.calls.length, /already, \/shared\/todo\.md:\n\n# To do/.test(again.said)], [1, true])
  })

  void it('never crashes, and ends with one finish, on any conversation', async () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'list',
        'read',
        '"',
        "'",
        '```',
        'to',
        'in',
        'with',
        'replace',
        ' then ',
        '\\',
        '/',
        '..',
        'lines 1-',
        'append',
        'summarise',
        'remember',
        'to-do list',
        '2 + (',
        '$',
        '\0',
      ),
    )
    const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(' '))
    const call = fc.record({
      type: fc.constant('tool_call' as const),
      id: fc.constantFrom('ox0-0', 'ox1-0', 'x'),
      name: fc.constantFrom(...names),
      arguments: text,
    })
    const result = fc.record({
      type: fc.constant('tool_result' as const),
      id: fc.constantFrom('ox0-0', 'ox1-0', 'x'),
      name: fc.constantFrom(...names),
      ok: fc.boolean(),
      text,
    })
    const message: fc.Arbitrary<Message> = fc.oneof(
      text.map(userMessage),
      fc.array(call, { maxLength: 2 }).map((parts): Message => ({ role: 'assistant', parts })),
      result.map((part): Message => ({ role: 'tool', parts: [part] })),
    )
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        const events = answer(requestOf('', { messages, tools }))
        assert.equal(events.filter((event) => event.type === 'finish').length, 1)
      }),
      { numRuns: scaled(500) },
    )
    assert.equal((await collect(createOfflineModel(), requestOf('', { messages: [] }))).at(-1)?.type, 'finish')
  })
})
