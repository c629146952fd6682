/**
 * Holds commit messages to CONTRIBUTING.md: an imperative subject of at most 72 characters without a full stop, an empty line, and a
 * body that says why, in plain English. Part of `npm run check`. Older commits, merges, and trees without a history are left alone.
 */
import { execFileSync } from 'node:child_process'
import { wrongPhrase } from '../test/architecture/prose.ts'

/** The rule holds for commits made after this. */
const since = '2026-11-22T19:20:00Z'
/** Subjects of commits made after this are checked for phrases that no native speaker would use. */
const proseSince = '2026-11-25T19:40:00Z'
const maxSubjectChars = 72
/** Separators that no message contains. */
const endOfField = '\u001f'
const endOfCommit = '\u001e'

/** Subjects that begin like this say what was done or what is, not what the commit does. */
const notImperative =
  /^(?:(?:a|an|the|what|when|where|how|it|this|there)\s|\w+(?:ed|ing)\b|(?:adds|fixes|makes|moves|removes|changes|updates|uses)\b)/i
const imperativesOnEd = /^(?:embed|feed|need|seed|shed|speed|bring|string|ping|ring)\b/i

function problemOf(subject: string, body: string, madeAt: string): string | null {
  if (subject.length > maxSubjectChars) return `the subject has ${subject.length} characters, at most ${maxSubjectChars}`
  if (subject.endsWith('.')) return 'the subject ends with a full stop'
  if (!/^\p{Lu}/u.test(subject)) return 'the subject begins with a small letter'
  if (notImperative.test(subject) && !imperativesOnEd.test(subject)) return 'the subject is no imperative ("Add", not "Added" or "The")'
  if (body.trim() === '') return 'there is no body that says why'
  const wrong = Date.parse(madeAt) > Date.parse(proseSince) ? wrongPhrase(subject) : null
  return wrong === null ? null : `the subject says ${wrong}`
}

function readHistory(): string {
  try {
    const format = `--format=%h${endOfField}%s${endOfField}%b${endOfField}%cI${endOfCommit}`
    return execFileSync('git', ['log', '--no-merges', `--since=${since}`, format], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    process.stdout.write('commits: not checked, there is no git history here\n')
    return ''
  }
}

const commits = readHistory()
  .split(endOfCommit)
  .map((entry) => entry.trim().split(endOfField))
  .filter(([hash]) => hash !== undefined && hash !== '')
const problems = commits.flatMap(([hash = '', subject = '', body = '', madeAt = '']) => {
  const problem = problemOf(subject, body, madeAt)
  return problem === null ? [] : [`${hash} ${subject}\n  ${problem}`]
})
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length > 0) process.stderr.write('Reword them with `git rebase -i`; CONTRIBUTING.md has the rule.\n')
process.exitCode = problems.length > 0 ? 1 : 0
