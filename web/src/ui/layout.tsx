/** The frame of a page, and small parts of text that many pages use. */
import { type ReactNode, useEffect, useState } from 'react'

interface PageProps {
  readonly title: string
  /** Buttons at the right of the title. */
  readonly actions?: ReactNode
  /** One sentence that says what the page is for. */
  readonly intro?: ReactNode
  readonly children: ReactNode
}

export function Page({ title, actions, intro, children }: PageProps): ReactNode {
  return (
    <div className="page">
      <div className="page-head">
        <h1>{title}</h1>
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </div>
      {intro !== undefined && <p className="page-intro">{intro}</p>}
      {children}
    </div>
  )
}

interface CardProps {
  readonly title?: string
  readonly actions?: ReactNode
  readonly children: ReactNode
}

export function Card({ title, actions, children }: CardProps): ReactNode {
  return (
    <section className="card">
      {title !== undefined && (
        <div className="card-head">
          <h2>{title}</h2>
          {actions}
        </div>
      )}
      {children}
    </section>
  )
}

/** Names and values. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }): ReactNode {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

export type Tone = 'neutral' | 'accent' | 'good' | 'warn' | 'bad'

export function Badge({ tone = 'neutral', children }: { readonly tone?: Tone; readonly children: ReactNode }): ReactNode {
  return (
    <span className="badge" data-tone={tone}>
      {children}
    </span>
  )
}

/** A time as people say it, exact on hover. Screenshots hide it, because it changes. */
export function Time({ at }: { readonly at: number }): ReactNode {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000)
    return () => clearInterval(timer)
  }, [])
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()} data-volatile>
      {agoText(at, now)}
    </time>
  )
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' })

function agoText(at: number, now: number): string {
  const s = Math.round((at - now) / 1_000)
  if (Math.abs(s) < 45) return s > 0 ? 'soon' : 'just now'
  if (Math.abs(s) < 45 * 60) return relative.format(Math.round(s / 60), 'minute')
  if (Math.abs(s) < 22 * 3_600) return relative.format(Math.round(s / 3_600), 'hour')
  if (Math.abs(s) < 26 * 86_400) return relative.format(Math.round(s / 86_400), 'day')
  return new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })
}

/** 1 234 567 → `1.2 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 'B'
  for (const next of units) {
    if (value < 1_000) break
    value /= 1_000
    unit = next
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** 1 500 → `1.5 s`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
}
