/** The check of prose: each phrase is found, and the tree has none. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkProse, exemptFiles, wrongPhrase } from './prose.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Talk that stands for what people say, word for word. */
const isTalk = (path: string): boolean => /^bench\/recall\/|^test\/recall-bench\/|-fixture\.ts$/.test(path)

void test('each phrase is found, wherever it stands in a line', () => {
  const planted = [
    'The cursor is none of this server.',
    '// None of these is read.',
    'it brings those of a browser along',
    'kept beside the journal',
    'files, two of which are new',
    'What they may is decided below.',
    'it shall not start',
    'the first ones are loaded',
    'a friend of theirs',
    'By it the calls find the files.',
  ]
  assert.deepEqual(
    planted.filter((line) => wrongPhrase(line) === null),
    [],
  )
  assert.deepEqual(checkProse('docs/x.md', 'fine\nkept beside it\n').length, 1)
  const source = "// kept beside it\nconst beside = 'beside'\nconst text = `kept ${beside}, those of others`\n"
  assert.deepEqual(
    checkProse('src/x.ts', source).map((line) => line.split(': ')[0]),
    ['src/x.ts:1', 'src/x.ts:3'],
  )
})

void test('sentences as people write them pass', () => {
  for (const line of ['Unknown cursor.', "the browser's types", 'next to the journal', 'besides', 'It may not start.', 'goodbye it said'])
    assert.equal(wrongPhrase(line), null, line)
})

void test('each exempt file contains a phrase, so that the exemption is needed', () => {
  const needless = [...exemptFiles.keys()].filter((path) => wrongPhrase(readFileSync(join(root, path), 'utf8')) === null)
  assert.deepEqual(needless, [])
})

void test('the tree says what it says in plain English', () => {
  const listed = execFileSync('git', ['ls-files', '-z', 'src', 'web', 'docs', 'test', 'bench', 'scripts', 'examples', 'skills', '*.md'], {
    cwd: root,
    encoding: 'utf8',
  })
  const paths = listed.split('\0').filter((path) => /\.(?:tsx?|js|md)$/.test(path) && !isTalk(path))
  assert.ok(paths.length > 1_000, 'the files are found')
  const wrong = paths.flatMap((path) => checkProse(path, readFileSync(join(root, path), 'utf8')))
  assert.deepEqual(wrong, [])
})
