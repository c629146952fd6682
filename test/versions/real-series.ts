/**
 * Random turns in a real guest: commands of a real shell in a sandbox change a git project of the person, who edits it between. After each turn the
 * tree is compared with what it was: an undo brings all of it back, and an undo of the undo all that the turn did.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openConversation } from '../support/conversation.ts'
import { openHome } from '../support/program.ts'
import { outputOf } from '../support/ready.ts'
import { openTerminal } from '../support/terminal.ts'
import { randomSeries } from './undo-series.ts'

const names = ['a.txt', 'b.txt', 'src/c.txt', 'src/deep/d.txt', '.env', 'lib', 'bin/run.sh', 'née 1.txt'] as const
const folders = ['src', 'src/deep', 'lib', 'bin', 'out'] as const

/** Commands of one operation, which may fail; each line that they write is like no other. */
const operations: readonly ((pick: Pick) => string)[] = [
  ({ file, line }) => `mkdir -p "$(dirname '${file}')" && printf '${line}\\n' > '${file}'`,
  ({ file, line }) => `sed -i '2s/.*/${line}/' '${file}'`,
  ({ file, line }) => `printf '${line}\\n' >> '${file}'`,
  ({ file }) => `rm -rf '${file}'`,
  ({ folder }) => `rm -rf '${folder}'`,
  ({ file, other }) => `mv '${file}' '${other}'`,
  ({ folder, other }) => `mv '${folder}' '${other}'`,
  ({ folder, file, line }) => `cp -r '${folder}' '${file}.${line}'`,
  ({ file, other }) => `ln -sfn '${other}' '${file}'`,
  ({ file }) => `chmod +x '${file}'`,
  ({ file }) => `cp '${file}' x.tmp && rm '${file}' && mkdir '${file}' && mv x.tmp '${file}/in'`,
  ({ folder, line }) => `rm -rf '${folder}' && printf '${line}\\n' > '${folder}'`,
  ({ file }) => `head -c 3000000 /dev/urandom > '${file}'`,
  ({ file }) => `: > '${file}'`,
  ({ folder, line }) => `tar cf 'all.${line}.tar' '${folder}' && rm -rf '${folder}'`,
  ({ line }) => `git add -A && git -c user.name=x -c user.email=x@x commit -qm ${line}`,
  ({ line }) => `git checkout -qb b${line}`,
  () => `git stash -qu`,
  () => `git checkout -q -- .`,
  () => `git clean -qfd`,
  ({ file, other }) => `git mv -f '${file}' '${other}'`,
]

interface Pick {
  readonly file: string
  readonly other: string
  readonly folder: string
  readonly line: string
}

/** What there is of one path: kind, content, and whether it may be run. */
type Tree = ReadonlyMap<string, string>

/** Everything below a folder but git's own files and empty folders. */
function treeOf(root: string): Tree {
  const tree = new Map<string, string>()
  const walk = (at: string): void => {
    for (const entry of readdirSync(join(root, at), { withFileTypes: true })) {
      const name = at === '' ? entry.name : `${at}/${entry.name}`
      const path = join(root, name)
      if (name === '.git') continue
      if (entry.isDirectory()) walk(name)
      else if (entry.isSymbolicLink()) tree.set(name, `link ${readlinkSync(path)}`)
      else tree.set(name, `${(lstatSync(path).mode & 0o100) === 0 ? 'file' : 'program'} ${readFileSync(path, 'base64')}`)
    }
  }
  walk('')
  return tree
}

function differences(was: Tree, is: Tree): readonly string[] {
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((name) => was.get(name) !== is.get(name))
    .map((name) => `${name}: ${was.get(name)?.slice(0, 60) ?? 'not there'} → ${is.get(name)?.slice(0, 60) ?? 'not there'}`)
}

interface Undone {
  readonly undo: string
  readonly conflicts: readonly { readonly path: string; readonly why: string }[]
}

/** A home with a guest, and a project of the person that its agents may change. */
interface RealGuest extends AsyncDisposable {
  readonly project: string
  /** @returns the turn, when it has ended */
  run(command: string): Promise<string>
  undo(turn: string): Promise<Undone>
}

async function openRealGuest(): Promise<RealGuest> {
  const project = mkdtempSync(join(tmpdir(), 'oxbow-project-'))
  // Where tests run as root, hands have a user of their own.
  chmodSync(project, 0o777)
  const home = await openHome('[approval]\nmode = "auto"\n')
  const added = await home.oxbow(['folder', 'add', project, '--as', 'project'])
  assert.equal(added.exit, 0, added.err)
  const workspace = { root: join(home.folder, 'users', 'default') }
  const { url } = JSON.parse(readFileSync(join(workspace.root, 'ipc', 'gateway.json'), 'utf8')) as { url: string }
  const terminal = await openTerminal(url, workspace)
  const talk = await openConversation(terminal)
  return {
    project,
    async run(command) {
      const turn = await talk.send(`run \`${command}\``)
      const { status } = await talk.ended(turn)
      assert.equal(status, 'ok')
      return turn
    },
    undo: (turn) => outputOf(terminal, 'version.undo', { turn, apply: true }),
    async [Symbol.asyncDispose]() {
      terminal[Symbol.dispose]()
      await home[Symbol.asyncDispose]()
      rmSync(project, { recursive: true, force: true })
    },
  }
}

const stepsOfATurn = 3

/** A command of the person, after which agents may change all of it. @returns whether it went well */
function runsIn(project: string, command: string): boolean {
  const script = `umask 0; ${command} && went=yes; find . -type l -prune -o -exec chmod a+rwX {} + 2>/dev/null; test -n "$went"`
  return spawnSync('sh', ['-c', script], { cwd: project }).status === 0
}

function assertKept(project: string, line: string): void {
  const texts = [...treeOf(project).values()].map((text) => Buffer.from(text.slice(text.indexOf(' ')), 'base64').toString())
  assert.ok(
    texts.some((text) => text.includes(`${line}\n`)),
    `${line} of the person is gone`,
  )
}

/** Plays turns from one seed on, in one guest. @throws AssertionError for what an undo left or took */
export async function playTurns(
  seed: number,
  count: number,
): Promise<{ readonly changed: number; readonly conflicts: number; readonly refused: number }> {
  await using guest = await openRealGuest()
  const random = randomSeries(seed)
  const told: string[] = []
  let [changed, conflicts, refused, line] = [0, 0, 0, 0]
  const pickOf = (): Pick => ({
    file: names[random.next(names.length)]!,
    other: names[random.next(names.length)]!,
    folder: folders[random.next(folders.length)]!,
    line: `L${(line += 1)}`,
  })
  const inProject = (command: string): boolean => runsIn(guest.project, command)
  inProject('git init -q')
  try {
    for (let at = 0; at < count; at += 1) {
      // The person edits, and then the turn runs.
      const edit = Array.from({ length: 1 + random.next(3) }, () => `(${operations[random.next(3)]!(pickOf())}) 2>/dev/null`).join('; ')
      inProject(edit)
      told.push(`person: ${edit}`)
      const before = treeOf(guest.project)
      const command = Array.from(
        { length: 1 + random.next(stepsOfATurn) },
        () => `(${operations[random.next(operations.length)]!(pickOf())}) 2>/dev/null`,
      ).join('; ')
      told.push(`turn: ${command}`)
      const turn = await guest.run(`cd /shared/project && umask 0; ${command}; true`)
      const after = treeOf(guest.project)
      if (differences(before, after).length === 0) continue
      changed += 1
      // Or the person edits a file between the turn and its undo: what they wrote stays, whatever happens to the file.
      const mine = random.next(3) === 0 ? pickOf() : null
      const edited = mine !== null && inProject(`test ! -L '${mine.file}' && ${operations[2]!(mine)}`)
      const edits = treeOf(guest.project)
      const undone = await guest.undo(turn).catch((error: unknown) => String(error))
      if (typeof undone === 'string') {
        // All that the turn did is in the file that the person edited since.
        assert.ok(edited && undone.includes('Nothing was changed') && undone.includes(mine.file), undone)
        assert.deepEqual(differences(edits, treeOf(guest.project)), [], 'a refused undo')
        refused += 1
        continue
      }
      told.push(`undo: ${JSON.stringify(undone.conflicts)}${edited ? `, after ${mine.line} in ${mine.file}` : ''}`)
      conflicts += undone.conflicts.length
      const left = new Set(undone.conflicts.map(({ path }) => path.replace('/shared/project/', '')))
      if (edited) {
        left.add(mine.file)
        assertKept(guest.project, mine.line)
      }
      const different = (was: Tree) =>
        differences(was, treeOf(guest.project)).filter((text) => !left.has(text.slice(0, text.indexOf(': '))))
      assert.deepEqual(different(before), [], 'the undo')
      if (random.next(2) === 0) continue
      const redone = await guest.undo(undone.undo)
      told.push(`redo: ${JSON.stringify(redone.conflicts)}`)
      for (const { path } of redone.conflicts) left.add(path.replace('/shared/project/', ''))
      assert.deepEqual(different(after), [], 'the undo of the undo')
    }
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n${told.slice(-12).join('\n')}`, {
      cause: error,
    })
  }
  return { changed, conflicts, refused }
}
