/**
 * A button for what came from others and waits for a person: it shows what it is now, and agrees to exactly that. What is approved is named by
 * the digest of what was shown, so nothing that has changed meanwhile is agreed to.
 */
import { type ReactNode, useState } from 'react'
import type { Agreement } from '../../../src/terminal/index.ts'
import { type Action, useAction } from '../data/calls.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Loading, ProblemLine } from '../ui/states.tsx'
import { useSay } from './said.tsx'

interface ReviewButtonProps<Seen> {
  /** On the button that begins: `Review`. */
  readonly label: string
  readonly icon?: ReactNode
  readonly agreement: Agreement
  /** On the button that agrees: `Approve`. */
  readonly verb: string
  /** Makes the call that shows it. */
  readonly look: (run: Action['run']) => Promise<Seen | undefined>
  /** Makes the call that agrees to what was seen. @returns what to say; undefined: it has failed */
  readonly agree: (seen: Seen, run: Action['run']) => Promise<string | undefined>
  /** Why there is nothing to agree to; empty: there is. */
  readonly settled?: (seen: Seen) => string
  readonly onDone: () => void
  readonly isPrimary?: boolean
  readonly children: (seen: Seen) => ReactNode
}

export function ReviewButton<Seen>({ label, icon, isPrimary = true, ...review }: ReviewButtonProps<Seen>): ReactNode {
  const [seen, setSeen] = useState<Seen | null>(null)
  const [isOpen, setOpen] = useState(false)
  const looking = useAction()
  const agreeing = useAction()
  const say = useSay()
  const begin = async (): Promise<void> => {
    setSeen(null)
    setOpen(true)
    agreeing.clear()
    setSeen((await review.look(looking.run)) ?? null)
  }
  const close = (): void => setOpen(false)
  const decline = (): void => {
    close()
    say(review.agreement.declined)
  }
  const agree = async (): Promise<void> => {
    const said = seen === null ? undefined : await review.agree(seen, agreeing.run)
    if (said === undefined) return
    close()
    say(said)
    review.onDone()
  }
  const settled = seen === null ? '' : (review.settled?.(seen) ?? '')
  const actions =
    seen === null || settled !== '' ? (
      <Button onClick={close}>Close</Button>
    ) : (
      <>
        <Button onClick={decline}>No</Button>
        <Button variant="primary" isBusy={agreeing.isBusy} onClick={() => void agree()}>
          {review.verb}
        </Button>
      </>
    )
  return (
    <>
      <Button size="s" variant={isPrimary ? 'primary' : 'plain'} icon={icon} onClick={() => void begin()}>
        {label}
      </Button>
      <Dialog title={review.agreement.question} isOpen={isOpen} onClose={close} isWide actions={actions}>
        {looking.failure !== null && <ProblemLine failure={looking.failure} />}
        {seen === null && looking.failure === null && <Loading label="Looking at it" />}
        {settled !== '' && <p>{settled}</p>}
        {seen !== null && review.children(seen)}
        <ProblemLine failure={agreeing.failure} />
      </Dialog>
    </>
  )
}
