/** What GitHub posts, as a text: https://docs.github.com/webhooks/webhook-events-and-payloads. Any field may be missing. */
import { isObject, truncate } from '../../../base/index.ts'
import { contentId, type Fields, fieldsOf, type HookMessage, type HookRequest, wordOf } from './hook-message.ts'

const maxBodyChars = 8_000
const maxCommits = 20

/** A repository is a chat, an issue or a pull request a thread. @returns null for a ping */
export function githubMessage(body: Fields, { headers, body: bytes }: HookRequest): HookMessage | null {
  const event = (headers['x-github-event'] ?? 'event').slice(0, 60)
  if (event === 'ping') return null
  const repository = wordOf(fieldsOf(body['repository'])['full_name'])
  const subject = fieldsOf(body['pull_request'] ?? body['issue'] ?? body['discussion'] ?? body['release'])
  const said = fieldsOf(body['comment'] ?? body['review'])
  const [run] = [body['workflow_run'], body['check_run'], body['check_suite']].filter(isObject).map(fieldsOf)
  const number = wordOf(subject['number'])
  const lines = [
    `GitHub: ${event} ${wordOf(body['action'])} in ${repository || 'an unknown repository'}`,
    number === '' ? '' : `#${number} ${wordOf(subject['title'])}`,
    run === undefined ? '' : `${wordOf(run['name'])}: ${wordOf(run['status'])} ${wordOf(run['conclusion'])}`,
    wordOf(said['html_url']) || wordOf(subject['html_url']) || wordOf(run?.['html_url']) || wordOf(body['compare']),
    `By ${wordOf(fieldsOf(body['sender'])['login']) || 'somebody'}`,
    ...commitsOf(body),
    truncate(wordOf(said['body']) || wordOf(subject['body']), maxBodyChars),
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
    const { id, message } = fieldsOf(each)
    return `- ${wordOf(id).slice(0, 8)} ${truncate(wordOf(message).split('\n', 1)[0] ?? '', 200)}`
  })
  return [`Pushed to ${wordOf(ref)}:`, ...lines, ...(commits.length > maxCommits ? [`… ${commits.length - maxCommits} more`] : [])]
}
