/** The shell round every page: signing in, navigation, the state of the connection, and what is reachable from everywhere. */
import { Menu, Moon, Search, Sun, SunMoon } from 'lucide-react'
import { type ReactNode, Suspense, useEffect, useRef, useState } from 'react'
import { type Notice, type SaidNotice, sayNotice } from '../../../src/protocol/index.ts'
import { GuestProvider, useAccess, useGuest } from '../data/guest.tsx'
import { Button, IconButton } from '../ui/button.tsx'
import { ErrorBoundary, Loading, NoticeBar } from '../ui/states.tsx'
import { useFirstRun } from './first-run.ts'
import { Palette } from './palette.tsx'
import { groups, pages, pageOf } from './pages.ts'
import { Link, usePlace } from './router.tsx'
import { SignIn } from './sign-in.tsx'
import { applyTheme, currentTheme, type Theme, themes } from './theme.ts'

export function App(): ReactNode {
  const access = useAccess()
  if (access.type === 'ready') {
    return (
      <GuestProvider guest={access.guest}>
        <Shell />
      </GuestProvider>
    )
  }
  return <SignIn access={access} />
}

function Shell(): ReactNode {
  const place = usePlace()
  const page = pageOf(place)
  const { isConnected } = useGuest()
  useFirstRun()
  const [isMenuOpen, setMenuOpen] = useState(false)
  const [isPaletteOpen, setPaletteOpen] = useState(false)
  const main = useRef<HTMLElement>(null)
  const shown = useRef(page.path)

  useEffect(() => {
    document.title = `${page.title} · Oxbow`
    setMenuOpen(false)
    // The first page keeps the browser's focus; later ones take it, so that a screen reader announces them.
    if (shown.current !== page.path) main.current?.focus({ preventScroll: true })
    shown.current = page.path
  }, [page.path, page.title])
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        setPaletteOpen((isOpen) => !isOpen)
      } else if (event.key === 'Escape') setMenuOpen(false)
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])

  const Page = page.component
  return (
    <div className="shell" data-menu={isMenuOpen}>
      <a className="skip-link" href="#main" onClick={() => main.current?.focus()}>
        Skip to the content
      </a>
      <header className="top-bar">
        <IconButton icon={<Menu />} label="Menu" aria-expanded={isMenuOpen} onClick={() => setMenuOpen(!isMenuOpen)} />
        <span className="top-title">{page.title}</span>
        <IconButton icon={<Search />} label="Find a page or an action" onClick={() => setPaletteOpen(true)} />
      </header>
      <Navigation current={page.path} onFind={() => setPaletteOpen(true)} />
      <div className="scrim" onClick={() => setMenuOpen(false)} aria-hidden="true" />
      <main id="main" ref={main} tabIndex={-1}>
        {!isConnected && (
          <NoticeBar tone="warn" role="status">
            Oxbow does not answer. The page reconnects as soon as it does; what you send is kept until then.
          </NoticeBar>
        )}
        <Notices />
        <ErrorBoundary key={page.path}>
          <Suspense fallback={<Loading label={`Loading ${page.title}`} />}>
            <Page place={place} />
          </Suspense>
        </ErrorBoundary>
      </main>
      <Palette isOpen={isPaletteOpen} onClose={() => setPaletteOpen(false)} />
    </div>
  )
}

function Navigation({ current, onFind }: { readonly current: string; readonly onFind: () => void }): ReactNode {
  const { status } = useGuest()
  const list = useRef<HTMLElement>(null)
  // The list may be longer than the window.
  useEffect(() => {
    list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' })
  }, [current])
  return (
    <nav ref={list} className="side" aria-label="Pages">
      <div className="brand">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <span>Oxbow</span>
      </div>
      <Button className="find" icon={<Search />} onClick={onFind}>
        <span className="find-text">Find</span>
        <kbd>Ctrl K</kbd>
      </Button>
      {groups.map((group) => (
        <section key={group} aria-label={group}>
          <h2 className="side-group">{group}</h2>
          <ul>
            {pages
              .filter((page) => page.group === group)
              .map(({ path, title, icon: Icon }) => (
                <li key={path}>
                  <Link to={`/${path}`} aria-current={path === current ? 'page' : undefined}>
                    <Icon aria-hidden="true" />
                    {title}
                  </Link>
                </li>
              ))}
          </ul>
        </section>
      ))}
      <div className="side-foot">
        <span className="side-user" title={`Oxbow ${status.version}`}>
          {status.user}
        </span>
        <ThemeButton />
      </div>
    </nav>
  )
}

const themeIcons = { system: <SunMoon />, light: <Sun />, dark: <Moon /> } as const

function ThemeButton(): ReactNode {
  const [theme, setTheme] = useState<Theme>(currentTheme)
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!
  const change = (): void => {
    applyTheme(next)
    setTheme(next)
  }
  return <IconButton icon={themeIcons[theme]} label={`Theme: ${theme}. Change to ${next}`} onClick={change} />
}

/** What a person should hear of, wherever it happened. */
function Notices(): ReactNode {
  const { notices } = useGuest()
  return notices.map((notice) => <NoticeOf key={notice.seq} notice={notice} />)
}

function NoticeOf({ notice }: { readonly notice: Notice }): ReactNode {
  const { client, dismiss } = useGuest()
  const [said, setSaid] = useState<SaidNotice | null>(null)
  useEffect(() => void sayNotice(notice, client.call).then(setSaid), [notice, client])
  if (said === null) return null
  const text = `${said.text.charAt(0).toUpperCase()}${said.text.slice(1)}.`
  return (
    <NoticeBar tone={said.tone === 'info' ? 'info' : 'warn'} role="status" onDismiss={() => dismiss(notice.seq)}>
      {text} {notice.session === '' ? <code>{said.more}</code> : <Link to={`/chat/${notice.session}`}>Show</Link>}
    </NoticeBar>
  )
}
