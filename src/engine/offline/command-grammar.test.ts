import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readCommands } from './command-grammar.ts'

/** What a request is taken for, the fields that matter in a fixed order. */
function short(text: string): string {
  return readCommands(text)
    .map((command) => {
      const { kind, ...rest } = command
      return [kind, ...Object.values(rest).filter((value) => value !== '' && value !== 0 && value !== false)].join(' | ')
    })
    .join(' + ')
}

const table: readonly (readonly [meaning: string, ...said: string[]])[] = [
  [
    'list | /shared | 1',
    'list files',
    'ls',
    'show me the files',
    'what files are there?',
    "what's in this folder",
    'Hi, please list the files!',
  ],
  ['list | /shared/notes | 1', 'ls -la notes', 'list the files in notes please', 'could you tell me what files are in notes'],
  ['list | /shared | 5', 'list everything', 'tree'],
  ['list | /tmp | 1', 'show files in /tmp', 'ls /tmp'],
  ['list | /shared | 5 | *.md', 'find files named *.md'],
  [
    'read | /shared/notes.txt',
    'read notes.txt',
    'cat notes.txt',
    'show me the file notes.txt.',
    'what is in notes.txt?',
    'what does notes.txt say?',
  ],
  ['read | /shared/my file.txt | 2 | 4', 'open "my file.txt" lines 2-5', 'please read lines 2 to 5 of “my file.txt”'],
  ['read | /shared/a.ts | 5 | 5', 'read a.ts:5-9'],
  ['read | /shared/a.txt | 1 | 10', 'show the first 10 lines of a.txt'],
  ['read | /shared/a.txt | 20', 'read /shared/a.txt from line 20'],
  ['search | foo bar | /shared/src', 'search for "foo bar" in src', "grep 'foo bar' src", 'search src for "foo bar"'],
  ['search | TODO | /shared', 'find TODO', 'where is TODO?', 'which files contain TODO?', 'can you find where TODO is mentioned'],
  ['search | a+b | /shared/src | true', 'search /a+b/ in src'],
  [
    'write | /shared/notes.txt | hello\nworld',
    'write "hello\\nworld" to notes.txt',
    'create a file notes.txt with "hello\nworld"',
    'save `hello\nworld` as notes.txt',
    'write to notes.txt: hello\nworld',
  ],
  ['write | /shared/x.py | print("hi")\n', 'write ```python\nprint("hi")\n``` to x.py'],
  ['write | /shared/empty.txt', 'create an empty file empty.txt'],
  ['append | /shared/notes.txt | more', 'append "more" to notes.txt', 'add a line "more" to the end of notes.txt'],
  ['edit | /shared/f.txt | a | b', 'replace "a" with "b" in f.txt', 'edit f.txt replace a with b', 'in f.txt change a to b'],
  ['edit | /shared/f.txt | foo | bar | true', 'change all foo to bar in f.txt', 'replace foo with bar everywhere in f.txt'],
  ['delete | /shared/old.txt', 'delete old.txt', 'rm old.txt', 'please remove the file old.txt'],
  ['delete | /shared/build | true', 'rm -rf build', 'delete the folder build'],
  [
    'run | echo "it\'s; then fine"',
    '$ echo "it\'s; then fine"',
    'run echo "it\'s; then fine"',
    'please exec the command echo "it\'s; then fine"',
  ],
  ['summarise | /shared', 'summarise the files here', 'Summarize', 'give me a summary of the files'],
  ['summarise | /shared/README.md', 'summarize README.md'],
  ['todo | /shared/todo.md | To do | ', 'make me a to-do list', 'create a todo list', 'please start a new to-do list!'],
  ['todo | /shared/todo.md | To do | milk,call Bob', 'add milk and "call Bob" to my to-do list', 'make a to-do list: milk, call Bob'],
  ['todo | /shared/shopping.md | Shopping | eggs', 'put eggs on the shopping list'],
  ['read | /shared/todo.md', 'show me my to-do list', "what's on my todo list?"],
  ['remember | I use metric units', 'remember that I use metric units', "don't forget: I use metric units"],
  ['recall | my car', 'what do you remember about my car?', 'recall my car'],
  ['restore | ', 'undo', 'undo that', 'roll back the last change', 'please undo the last edit!'],
  ['restore | /shared/notes.txt', 'restore notes.txt', 'undelete the file notes.txt', 'revert the changes to notes.txt'],
  ['reminder', 'remind me to call Bob at 5', 'set an alarm for 7', 'every morning summarise my mail'],
  ['sum | 2+2 | 4', '2+2', 'what is 2 + 2?', '2 + 2 ='],
  ['sum | -2*(3-5)^2/4 | -2', 'calculate -2 * (3 - 5)^2 / 4'],
  ['fetch | https://example.org/a?b=1', 'fetch https://example.org/a?b=1', 'summarise https://example.org/a?b=1'],
  ['web_search | the weather in Oslo', 'search the web for the weather in Oslo', 'look up the weather in Oslo on the internet'],
  ['write | /shared/todo.md | x', 'write "x" to todo.md'],
  ['time', 'what time is it?', 'date', "what's the date"],
  ['story', 'what did you do?', 'what have you done'],
  ['help', 'help', '?', 'what can you do?'],
  ['hello', 'hello', 'Hi!'],
  ['thanks', 'thanks!', 'ok thank you'],
  ['unknown', '', 'paint me a cow', "don't do it"],
  ['list | /shared | 1 + read | /shared/a.txt', 'list the files then read a.txt', 'ls; cat a.txt', 'ls\ncat a.txt'],
  ['write | /shared/x.txt | a; then delete b', 'write "a; then delete b" to x.txt'],
]

void describe('the grammar of commands', () => {
  for (const [meaning, ...said] of table) {
    void it(`takes ${JSON.stringify(said[0])} for ${meaning.split(' ')[0]}`, () => {
      for (const text of said) assert.equal(short(text), meaning, text)
    })
  }

  void it('asks for what is missing instead of guessing', () => {
    for (const text of ['delete everything', 'edit f.txt', 'write a poem', 'run', 'read', 'find'])
      assert.match(short(text), /^unclear/, text)
  })

  void it('ends on a text of nothing but opening quotes or blanks', () => {
    for (const text of [' "a', " 'a", ' ```', ' “a', ' ', '\n', ' to ']) assert.match(short(`write ${text.repeat(60_000)}!`), /^un/)
  })

  void it('asks for quotes around a text that is too long to be a command', () => {
    assert.match(short(`write ${'word '.repeat(1000)} to a.txt`), /^unclear.*quotes/)
    assert.equal(readCommands(`write "${'word '.repeat(1000)}" to a.txt`)[0]?.kind, 'write')
  })

  it('begins relative paths in the folder that a turn was sent to', () => {
    const kinds = (text: string) => readCommands(`${text}\n\n(Work in the folder /shared/site/src.)`)
    assert.deepEqual(kinds('write "x" to a.txt'), [{ kind: 'write', path: '/shared/site/src/a.txt', text: 'x' }])
    assert.deepEqual(kinds('write "x" to /shared/a.txt'), [{ kind: 'write', path: '/shared/a.txt', text: 'x' }])
    assert.deepEqual(kinds('$ ls'), [{ kind: 'run', command: "cd '/shared/site/src' && ls" }])
  })
})
