/** The open thing of a shelf: its name, what can be done with it, and what it says of itself. */
import type { ReactNode } from 'react'
import type { Part } from '../../../src/terminal/index.ts'
import { Badge, type Tone } from '../ui/layout.tsx'
import { WithCode } from '../ui/states.tsx'

interface ThingProps {
  readonly title: string
  readonly state: readonly [text: string, tone: Tone]
  /** Buttons. */
  readonly actions?: ReactNode
  /** Why it is in this state, or what waits for the person. */
  readonly why?: ReactNode
  readonly children?: ReactNode
}

export function Thing({ title, state: [text, tone], actions, why, children }: ThingProps): ReactNode {
  return (
    <section className="card thing" aria-label={title}>
      <div className="thing-head">
        <h2>{title}</h2>
        <Badge tone={tone}>{text}</Badge>
      </div>
      {why !== undefined && why !== '' && <p className="thing-why">{typeof why === 'string' ? <WithCode text={why} /> : why}</p>}
      {actions !== undefined && <div className="thing-actions">{actions}</div>}
      {children}
    </section>
  )
}

/** Rights, hosts, names: what is written exactly so. */
export function Codes({ of, none }: { readonly of: readonly string[]; readonly none: string }): ReactNode {
  if (of.length === 0) return none
  return (
    <span className="codes">
      {of.map((each) => (
        <code key={each}>{each}</code>
      ))}
    </span>
  )
}

/** Lines with what is listed below each. */
export function Parts({ parts }: { readonly parts: readonly Part[] }): ReactNode {
  return (
    <div className="parts">
      {parts.map(([line, below]) => (
        <div key={line}>
          <p>{line}</p>
          {below.length > 0 && (
            <ul className="shelf-bullets">
              {below.map((each) => (
                <li key={each}>{each}</li>
              ))}
            </ul>
          )}
        </div>
      ))}
    </div>
  )
}

/** A text of others: a file, a log. It is never more than text. */
export function PlainFile({ name, text }: { readonly name: string; readonly text: string }): ReactNode {
  return (
    <figure className="plain-file">
      <figcaption>{name}</figcaption>
      <pre tabIndex={0} aria-label={name}>
        {text}
      </pre>
    </figure>
  )
}

/** @returns who did something, as people call them */
export function whoText(actor: string): string {
  return actor.startsWith('key:web-') ? 'you, in a browser' : actor.startsWith('user:') ? actor.slice('user:'.length) : actor
}
