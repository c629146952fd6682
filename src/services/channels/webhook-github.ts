/** What GitHub posts, as a text: https://docs.github.com/webhooks/webhook-events-and-payloads. Any field may be missing. */
import { isObject, truncate } from '../../base/index.ts'
import { contentId, type HookMessage, type HookRequest } from './webhooks.ts'

type Fields = Readonly<Record<string, unknown>>

const maxBodyChars = 8_000
const maxCommits = 20

const fields = (value: unknown): Fields => (isObject(value) ? { ...value } : {})
const textOf = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '')

/** A repository is a chat, an issue or a pull request a thread. @returns null for a ping */
export function githubMessage(body: Fields, { headers, body: bytes }: HookRequest): HookMessage | null {
  const event = (headers['x-github-event'] ?? 'event').slice(0, 60)
  if (event === 'ping') return null
  const repository = textOf(fields(body['repository'])['full_name'])
  const subject = fields(body['pull_request'] ?? body['issue'] ?? body['discussion'] ?? body['release'])
  const said = fields(body['comment'] ?? body['review'])
  const [run] = [body['workflow_run'], body['check_run'], body['check_suite']].filter(isObject).map(fields)
  const number = textOf(subject['number'])
  const lines = [
    `GitHub: ${event} ${textOf(body['action'])} in ${repository || 'an unknown repository'}`,
    number === '' ? '' : `#${number} ${textOf(subject['title'])}`,
    run === undefined ? '' : `${textOf(run['name'])}: ${textOf(run['status'])} ${textOf(run['conclusion'])}`,
    textOf(said['html_url']) || textOf(subject['html_url']) || textOf(run?.['html_url']) || textOf(body['compare']),
    `By ${textOf(fields(body['sender'])['login']) || 'somebody'}`,
    ...commitsOf(body),
    truncate(textOf(said['body']) || textOf(subject['body']), maxBodyChars),
  ]
  return {
    chat: repository.slice(0, 200) || 'github',
    thread: number.slice(0, 20),
    // The id of a delivery is not signed; the content is.
    message: contentId(bytes),
    text: lines.filter((line) => line.trim() !== '').join('\n'),
  }
}

/** Of a push. */
function commitsOf({ ref, commits }: Fields): readonly string[] {
  if (!Array.isArray(commits)) return []
  const lines = commits.slice(0, maxCommits).map((each: unknown) => {
    const { id, message } = fields(each)
    return `- ${textOf(id).slice(0, 8)} ${truncate(textOf(message).split('\n', 1)[0] ?? '', 200)}`
  })
  return [`Pushed to ${textOf(ref)}:`, ...lines, ...(commits.length > maxCommits ? [`… ${commits.length - maxCommits} more`] : [])]
}
