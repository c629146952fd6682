/** A page that says what came of what a person did: the sentence of the verb that does the same. */
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import { Page } from '../ui/layout.tsx'
import { NoticeBar } from '../ui/states.tsx'

const SaidContext = createContext<(text: string) => void>(() => {})

/** @returns a function that says a sentence at the top of the page, and to screen readers */
export function useSay(): (text: string) => void {
  return useContext(SaidContext)
}

interface SayingPageProps {
  readonly title: string
  readonly intro: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
}

export function SayingPage({ children, ...page }: SayingPageProps): ReactNode {
  const [said, setSaid] = useState('')
  const say = useCallback((text: string) => setSaid(text), [])
  return (
    <SaidContext.Provider value={say}>
      <Page {...page}>
        <div className="said" role="status">
          {said !== '' && (
            <NoticeBar tone="info" onDismiss={() => setSaid('')}>
              {said}
            </NoticeBar>
          )}
        </div>
        {children}
      </Page>
    </SaidContext.Provider>
  )
}
