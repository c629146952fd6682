/** What a place shows when it has nothing to show: because there is nothing, not yet, or because something went wrong. */
import { CircleAlert, Inbox, X } from 'lucide-react'
import { Component, type ReactNode } from 'react'
import { failureSentences } from '../../../src/base/index.ts'
import type { Failure } from '../../../src/base/index.ts'
import { Button, IconButton } from './button.tsx'

export function Loading({ label = 'Loading' }: { readonly label?: string }): ReactNode {
  return (
    <div className="state" role="status" aria-label={label}>
      <span className="spinner" aria-hidden="true" />
    </div>
  )
}

interface EmptyProps {
  readonly title: string
  /** What to do so that there is something. */
  readonly children?: ReactNode
  readonly icon?: ReactNode
}

export function Empty({ title, children, icon = <Inbox /> }: EmptyProps): ReactNode {
  return (
    <div className="state">
      <span className="state-icon" aria-hidden="true">
        {icon}
      </span>
      <p className="state-title">{title}</p>
      {children !== undefined && <div className="state-text">{children}</div>}
    </div>
  )
}

/** Text of a failure or a check, in which commands and names stand between backticks. */
export function WithCode({ text }: { readonly text: string }): ReactNode {
  // Odd parts stand between backticks.
  return text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))
}

interface ProblemProps {
  readonly failure: Pick<Failure, 'message' | 'hint'> & { readonly code?: string }
  readonly onRetry?: () => void
}

/** A place that cannot show what it is for. */
export function Problem({ failure, onRetry }: ProblemProps): ReactNode {
  return (
    <div className="state" role="alert">
      <span className="state-icon" data-tone="bad" aria-hidden="true">
        <CircleAlert />
      </span>
      <p className="state-title">
        <WithCode text={failure.message} />
      </p>
      {failure.hint !== '' && (
        <p className="state-text">
          <WithCode text={failure.hint} />
        </p>
      )}
      {onRetry !== undefined && <Button onClick={onRetry}>Try again</Button>}
    </div>
  )
}

/** What went wrong with something that a person did, shown next to it. */
export function ProblemLine({ failure }: { readonly failure: Pick<Failure, 'message' | 'hint'> | null }): ReactNode {
  if (failure === null) return null
  return (
    <p className="problem-line" role="alert">
      <CircleAlert aria-hidden="true" />
      <span>
        <WithCode text={failureSentences(failure)} />
      </span>
    </p>
  )
}

interface NoticeBarProps {
  readonly tone: 'info' | 'warn' | 'bad'
  readonly role?: 'status' | 'alert'
  readonly onDismiss?: () => void
  readonly children: ReactNode
}

export function NoticeBar({ tone, role, onDismiss, children }: NoticeBarProps): ReactNode {
  return (
    <div className="notice-bar" data-tone={tone} role={role}>
      <span>{children}</span>
      {onDismiss !== undefined && <IconButton icon={<X />} label="Dismiss" size="s" onClick={onDismiss} />}
    </div>
  )
}

interface BoundaryState {
  readonly error: Error | null
}

/** A page that fails takes neither the navigation nor the connection with it. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { error: null }

  static getDerivedStateFromError(error: Error): BoundaryState {
    return { error }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === null) return this.props.children
    const failure = {
      message: 'This page has failed.',
      hint: `${error.message} Reload the page; if it fails again, this is a bug in Oxbow.`,
    }
    return <Problem failure={failure} onRetry={() => this.setState({ error: null })} />
  }
}
