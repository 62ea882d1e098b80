import { notifications } from '@mantine/notifications'
import { type QueryKey, useMutation, useQueryClient } from '@tanstack/react-query'
import { saveFile } from '../api/native'
import { plain } from '../format/format'
import i18n from '../i18n'
import { problemWords } from '../ui/states'

// tell shows a short notice.
export function tell(message: string, color: 'green' | 'red' | 'indigo' = 'green', title?: string) {
  notifications.show({
    message,
    title,
    color,
    autoClose: color === 'red' ? 12_000 : 5_000,
    role: color === 'red' ? 'alert' : 'status',
    closeButtonProps: { 'aria-label': i18n.t('common.close') },
  })
}

// complain shows a problem with its hint.
export function complain(e: unknown) {
  const w = problemWords(e)
  tell(w.hint || w.title, 'red', w.hint ? w.title : undefined)
}

interface Options<V, R> {
  stale?: QueryKey[]
  done?: string | ((r: R, v: V) => string | undefined)
  after?: (r: R, v: V) => void
  quiet?: boolean // the caller shows the problem itself
}

// useAct is a call that changes something: on success it makes answers old and
// says so, on failure it tells what to do.
export function useAct<V, R>(f: (v: V) => Promise<R>, o: Options<V, R> = {}) {
  const qc = useQueryClient()
  return useMutation({
    mutationFn: f,
    onSuccess: (r, v) => {
      for (const queryKey of o.stale ?? []) void qc.invalidateQueries({ queryKey })
      void qc.invalidateQueries({ queryKey: ['status'] })
      const words = typeof o.done === 'function' ? o.done(r, v) : o.done
      if (words) tell(words)
      o.after?.(r, v)
    },
    onError: (e) => {
      if (!o.quiet) complain(e)
    },
  })
}

// useSave keeps a file that the API offers and says where it is now.
export function useSave(name: string, path: string) {
  return useAct<void, string | null>(() => saveFile(name, path), {
    done: (where) => {
      if (where === null) return i18n.t('common.downloaded', { name: plain(name, 120) })
      return where ? i18n.t('common.savedAt', { path: plain(where, 400) }) : undefined
    },
  })
}
