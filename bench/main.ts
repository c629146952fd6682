/**
 * `npm run bench -- [--quick] [--only NAME,…] [--write] [--profile FOLDER] [--locomo PATH] [--embedder NAME] [--full-recall] [--pi FOLDER]`: measures the bounds of the design as ratios to baselines of
 * the same run, and prints Markdown. A missed bound is no failure: people judge the figures.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fullPlan, quickPlan } from './bench-plan.ts'
import { machineFacts } from './machine-facts.ts'
import { measures } from './measure-list.ts'
import { bounded, machineText, type Section, sectionText, shortfallText } from './report.ts'
import { repositoryPath } from './subjects/child-process.ts'
import { findGuestPrograms } from './subjects/guest-program.ts'
import { startModelServer } from './subjects/model-server.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
    profile: { type: 'string' },
    locomo: { type: 'string' },
    embedder: { type: 'string', default: 'words-50k' },
    'full-recall': { type: 'boolean', default: false },
    pi: { type: 'string' },
  },
})

/** `--write` puts its report between these lines of docs/benchmarks.md; the rest of the page stays. */
const beginMark = '<!-- begin: npm run bench -- --write -->'
const endMark = '<!-- end -->'

const chosen = measures.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name))
if (chosen.length === 0)
  throw new Error(`there is no measure ${values.only}; the measures are ${measures.map(({ name }) => name).join(', ')}`)

const programs = findGuestPrograms(values.profile)
const facts = machineFacts(programs.described)
const usualPlan = values.quick ? quickPlan : fullPlan
const plan = values['full-recall'] ? { ...usualPlan, alikeMessages: [...usualPlan.alikeMessages, 1_000_000] } : usualPlan
const say = (text: string): void => void process.stdout.write(`${text}\n`)
say(machineText(facts))

const sections: Section[] = []
for (const { title, how, run } of chosen) {
  await using model = await startModelServer(plan.streamTokens)
  const began = performance.now()
  // A failed measure is a line of the report, and the others continue.
  const { locomo = null, embedder, pi = null } = values
  const rows = await run({ plan, programs, model, modelUrl: model.url, pi, locomo, embedder }).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return [bounded('measured at all', `failed: ${String(error).slice(0, 200)}`, '', 'runs', false)]
  })
  const section = { title, how, rows, seconds: (performance.now() - began) / 1000 }
  sections.push(section)
  say(sectionText(section))
}
say(`## Falls short\n\n${shortfallText(sections)}`)
if (values.write) writeReport()

function writeReport(): void {
  const path = repositoryPath('docs/benchmarks.md')
  const page = readFileSync(path, 'utf8')
  const [before = '', rest = ''] = page.split(beginMark)
  const after = rest.split(endMark)[1] ?? '\n'
  const report = [machineText(facts), ...sections.map(sectionText), '### Falls short', '', shortfallText(sections)].join('\n')
  writeFileSync(path, `${before}${beginMark}\n\n${report}\n${endMark}${after}`)
  // Tables are aligned, as `npm run check` requires.
  execFileSync(process.execPath, [repositoryPath('node_modules/oxfmt/bin/oxfmt'), path])
}
