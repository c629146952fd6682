/** `oxbow program new|test|install|update|rollback|remove`: what is installed is shown before, and a person says yes to exactly these files. */
import { resolve } from 'node:path'
import { plainLine, plainText, removeProgram } from '../../../terminal/index.ts'
import { type JsonObject, OxbowError, ownValue, plural, textIn } from '../../../base/index.ts'
import type { AskCall, OutputOf, ServiceVerb, Typed } from '../../../protocol/index.ts'
import { isFolder, readProgramFolder } from './program-folder.ts'
import type { PackageView } from './package-view.ts'

const lineChars = 300

/** A path of this machine is meant from where the verb is typed. */
function withSource(input: JsonObject): JsonObject {
  const source = textIn(input, 'source')
  if (source === '' || /^(?:npm:|git\+|https?:)/.test(source)) return input
  const [, path = source, hash = ''] = /^(.*?)(#sha256=.*)?$/.exec(source) ?? []
  return { ...input, source: resolve(path) + hash }
}

/** `--yes` says yes to what is there now, but never to rights that an update adds: those a person has to see. */
async function yes(input: JsonObject, ask: AskCall, options: Typed['options']): Promise<JsonObject> {
  if (options['yes'] !== true || ownValue(input, 'hash') !== undefined) return input
  const seen = await ask('program.look', { ...input })
  if (seen.installed !== '' && seen.added.length > 0)
    throw new OxbowError(
      'approval_required',
      `${seen.program} ${seen.version} asks for more than ${seen.installed}: ${seen.added.join(', ')}.`,
      {
        hint: `Approve exactly these files with --hash ${seen.hash}, or update it in a terminal without --yes.`,
      },
    )
  return { ...input, hash: seen.hash }
}

const asked = {
  input: (input: JsonObject) => withSource(input),
  find: yes,
  show: (view: OutputOf<'program.install'>) =>
    `${view.installed === '' ? 'Installed' : 'Updated'} ${view.program} ${view.version}${testedText(view)}`,
} as const

const testedText = ({ tested, installed, same }: PackageView): string => {
  const tests = tested === 0 ? 'It has no tests.' : `${plural(tested, 'test')} passed.`
  if (same) return `. ${tests} Its files are as before.`
  return `. ${tests}${installed === '' ? '' : ` If its first run fails, ${installed} comes back.`}`
}

const options = {
  '--yes': { field: '', value: true, help: 'install without a question; an update must not ask for more rights' },
  '--hash <hash>': { field: 'hash', help: 'install without a question the files that were shown with this hash' },
} as const

const question = (name: string): string => `Install ${name} with these rights?`
const declined = 'Nothing was installed.'

const look: ServiceVerb = {
  words: 'program look <source>',
  summary: 'show what a program is and may do, and install nothing',
  examples: ['oxbow program look ./tidy', 'oxbow program look git+https://example.com/tidy.git#v1.2.0'],
  call: 'program.look',
  omit: true,
  typed: { source: 'source' },
  input: (input) => withSource(input),
  show: (view: OutputOf<'program.look'>) => viewText(view),
}

export const packageVerbs: readonly ServiceVerb[] = [
  {
    words: 'program new <folder>',
    summary: 'make a folder with a program to begin with',
    examples: ['oxbow program new tidy', 'oxbow program test ./tidy'],
    call: 'program.new',
    input: (input) => ({ ...input, folder: resolve(textIn(input, 'folder')) }),
    show: ({ program, folder }: OutputOf<'program.new'>) =>
      plainText(
        `Made the program ${program} in ${folder}. Try it:\n  oxbow program verify ${folder}\n  oxbow program test ${folder}\n  oxbow program install ${folder}`,
      ),
  },
  {
    words: 'program test <program>',
    summary: 'run the cases of tests of a program, by name or by its folder, without anything outside',
    examples: ['oxbow program test ./tidy', 'oxbow program test tidy --json'],
    call: 'program.test',
    typed: { program: 'name' },
    omit: true,
    input(input) {
      const named = textIn(input, 'name')
      if (!isFolder(named)) return input
      const { name, files, tests } = readProgramFolder(named)
      return { name, files: { ...files, tests } }
    },
    show({ results }: OutputOf<'program.test'>) {
      const lines = results.map(
        ({ name, ok, problem }) => `${ok ? 'passed' : 'failed'}  ${plainLine(name, lineChars)}${ok ? '' : `\n  ${plainText(problem)}`}`,
      )
      const failed = results.filter(({ ok }) => !ok).length
      return [...lines, results.length === 0 ? 'It has no tests.' : `${results.length - failed} passed, ${failed} failed.`].join('\n')
    },
    fails: ({ results }: OutputOf<'program.test'>) => (results.every(({ ok }) => ok) ? null : 1),
  },
  look,
  {
    words: 'program install <source>',
    summary: 'install a program from a folder, an archive, npm or git, after showing its rights',
    examples: [
      'oxbow program install ./tidy',
      'oxbow program install npm:@acme/tidy@1.2.0',
      'oxbow program install git+https://example.com/tidy.git#v1.2.0',
    ],
    call: 'program.install',
    omit: true,
    typed: { source: 'source', ...options },
    ...asked,
    agree: {
      by: look,
      field: 'hash',
      question,
      declined,
      settled: ({ same, program, version }: OutputOf<'program.look'>) =>
        same ? `${program} ${version} is installed already, with the same files.` : '',
    },
  },
  {
    words: 'program update <program> [source]',
    summary: 'install another version of a program, after showing what it changes',
    examples: ['oxbow program update tidy', 'oxbow program update tidy npm:@acme/tidy@1.3.0'],
    call: 'program.install',
    omit: true,
    typed: { program: 'program', source: 'source', ...options },
    ...asked,
    agree: {
      by: look,
      field: 'hash',
      question: (name) => `Update ${name} to these files?`,
      declined: 'It stays as it is.',
      settled: ({ same, program, version }: OutputOf<'program.look'>) =>
        same ? `${program} ${version} is installed already, with the same files.` : '',
    },
  },
  {
    words: 'program rollback <program>',
    summary: 'go back to the version before the last update',
    examples: ['oxbow program rollback tidy'],
    call: 'program.rollback',
    show: ({ program, version }: OutputOf<'program.rollback'>) => `${program} is ${version} again.`,
  },
  {
    words: 'program remove <program>',
    summary: 'remove an installed program; runs go on',
    examples: ['oxbow program remove tidy', 'oxbow program remove tidy --dry-run'],
    call: 'program.remove',
    async preview(input, ask) {
      const { name, version, place } = await ask('program.info', { program: textIn(input, 'program') })
      return { would: removeProgram(name, version).would, target: { name, version, place } }
    },
    show: ({ program }: OutputOf<'program.remove'>) => removeProgram(program, '').done,
  },
]

function viewText(view: PackageView): string {
  const {
    program,
    version,
    description,
    source,
    hash,
    signed_by: signer,
    kind,
    files,
    bytes,
    may,
    added,
    removed,
    installed,
    reasons,
  } = view
  const what = { script: 'a script', module: 'a WebAssembly module', agent: 'instructions that an agent follows' }[kind]
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${plainLine(line, lineChars)}`)]
  const lines = [
    `${program} ${version}: ${description}`,
    `From ${source}`,
    `It is ${what}, ${plural(files, 'file')}, ${Math.ceil(bytes / 1024)} KiB, ${plural(view.tests, 'test')}. Files ${hash}`,
    signer === '' ? 'Nobody has signed it.' : `Signed by the key ${signer}`,
    ...(view.hides === ''
      ? []
      : [
          view.hides === 'own'
            ? 'Your folder of this name will not count any more.'
            : 'It takes the place of a program that comes with Oxbow.',
        ]),
    ...list('It may', may.length === 0 ? ['do nothing outside'] : may),
    ...(installed === '' ? [] : list(`It may, and ${installed} may not`, added)),
    ...(installed === '' ? [] : list('It may no longer', removed)),
    ...list('Before you say yes', reasons),
    ...list('It cannot run', view.problems),
    ...list('Warnings', view.warnings),
    ...(view.difference === '' ? [] : [`Changes since ${installed}`, view.difference]),
  ]
  return plainText(lines.join('\n'))
}
