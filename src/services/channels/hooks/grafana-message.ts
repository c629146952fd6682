/** What a contact point of Grafana posts, as a text: its webhook notifier. Any field may be missing. */
import { truncate } from '../../../base/index.ts'
import { contentId, type Fields, fieldsOf, type HookMessage, type HookRequest, wordOf } from './hook-message.ts'

const maxAlerts = 20
const maxLineChars = 500

const textOf = (value: unknown): string => truncate(wordOf(value), maxLineChars)

/** A group of alerts is a thread: that it fires, and that it is over, are one session. */
export function grafanaMessage(body: Fields, { body: bytes }: HookRequest): HookMessage {
  const alerts: readonly unknown[] = Array.isArray(body['alerts']) ? body['alerts'] : []
  const group = textOf(body['groupKey']) || textOf(body['title'])
  const lines = [
    `Grafana: ${textOf(body['status']) || 'an alert'}: ${textOf(body['title'])}`,
    textOf(body['externalURL']),
    ...alerts.slice(0, maxAlerts).map(alertLine),
    alerts.length > maxAlerts ? `… ${alerts.length - maxAlerts} more` : '',
    textOf(body['message']),
  ]
  return {
    chat: 'grafana',
    thread: contentId(Buffer.from(group)),
    message: contentId(bytes),
    text: lines.filter((line) => line.trim() !== '').join('\n'),
  }
}

function alertLine(alert: unknown): string {
  const { status, labels, annotations, valueString } = fieldsOf(alert)
  const { alertname, ...others } = fieldsOf(labels)
  const { summary, description } = fieldsOf(annotations)
  const more = Object.entries(others).map(([name, value]) => `${name}=${textOf(value)}`)
  const said = [textOf(summary), textOf(description), textOf(valueString)].filter((text) => text !== '')
  return truncate(`- ${textOf(alertname)} (${textOf(status)}) ${more.join(', ')}: ${said.join('; ')}`, maxLineChars * 2)
}
