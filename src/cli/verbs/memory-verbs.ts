/** Definitions of `oxbow memory`, `export` and `import`. */
import { type AddVerbs, examples, userVerb, verbGroup } from '../verb-parts.ts'

export const addMemoryVerbs: AddVerbs = (program, terminal, choose) => {
  const memory = verbGroup(
    program.command('memory'),
    'search, correct and forget memories',
    'oxbow memory search "which editor"',
    'oxbow memory add "I prefer Helix." --tag tools',
    'oxbow memory why note-1f0a…',
  )
  userVerb(memory.command('export [file]'), 'export memories as JSON lines')
    .option('--json', 'with a file: print one JSON object at the end; otherwise the output is JSON anyway')
    .addHelpText('after', examples('oxbow memory export memory.jsonl', 'oxbow memory export | gzip > memory.jsonl.gz'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryExport(file, options, terminal)))
  userVerb(memory.command('import <file>'), 'import exported memories')
    .option('--overwrite', 'replace memories that differ')
    .option('--untrusted', 'add the untrusted label')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory import memory.jsonl'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryImport(file, options, terminal)))
}
