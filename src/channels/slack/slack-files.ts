/** Reads files of Slack in pieces. The token goes to Slack and to nobody else, wherever an address leads. */
import { OxbowError } from '../../base/index.ts'
import type { OpenFile } from './slack-inbound.ts'

/** @param apiUrl files may be there as well, as on a server of tests */
export function fileOpener(token: string, apiUrl: string): OpenFile {
  return (address) =>
    async function* (maxBytes, signal) {
      const url = URL.parse(address)
      const isSlack = url !== null && url.protocol === 'https:' && (url.hostname === 'slack.com' || url.hostname.endsWith('.slack.com'))
      if (url === null || !(isSlack || url.origin === new URL(apiUrl).origin)) throw unreadable('its address is not one of Slack')
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` }, redirect: 'error', signal }).catch(
        (error: unknown) => {
          throw signal.aborted ? error : unreadable('no answer')
        },
      )
      if (!answer.ok || answer.body === null) throw unreadable(`the server answers with ${answer.status}`)
      // Without the scope `files:read` Slack answers with a page on which one signs in.
      if (answer.headers.get('content-type')?.startsWith('text/html') === true && !/\.html?$/i.test(url.pathname))
        throw unreadable('the app lacks the scope files:read')
      let bytes = 0
      for await (const piece of answer.body) {
        bytes += piece.length
        if (bytes > maxBytes)
          throw new OxbowError('limit_reached', `The file has more than ${maxBytes} bytes.`, {
            hint: 'Send a smaller one, or a link to it.',
          })
        yield piece
      }
    }
}

function unreadable(why: string): OxbowError {
  return new OxbowError('tool_failed', `Slack did not deliver the file: ${why}.`, { hint: 'Send it again.' })
}
