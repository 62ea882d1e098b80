import { Anchor, Badge, Button, createTheme, Menu, Modal, Table, Tooltip } from '@mantine/core'

// The one theme: calm greys, indigo for what can be pressed. Shades are chosen so
// that text passes WCAG AA on both schemes.
export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: { light: 8, dark: 8 },
  fontFamily: "Inter, system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.45rem', lineHeight: '1.25' },
      h2: { fontSize: '1.06rem', lineHeight: '1.35' },
      h3: { fontSize: '0.95rem', lineHeight: '1.35' },
    },
  },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: Button.extend({ defaultProps: { size: 'sm' } }),
    Badge: Badge.extend({
      defaultProps: { variant: 'light', radius: 'sm' },
      styles: { root: { textTransform: 'none', fontWeight: 600 } },
    }),
    // the placeholder that takes the first focus is no allowed child of a menu
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 7, horizontalSpacing: 'sm' } }),
    Tooltip: Tooltip.extend({
      defaultProps: {
        withArrow: true,
        openDelay: 250,
        multiline: true,
        maw: 320,
        events: { hover: true, focus: true, touch: true },
      },
    }),
    Modal: Modal.extend({ defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.4 } } }),
    Anchor: Anchor.extend({ defaultProps: { underline: 'hover' } }),
  },
})

// Series colours: Okabe and Ito's palette, darkened or lightened for contrast.
export const seriesColours = ['--s0', '--s1', '--s2', '--s3', '--s4', '--s5', '--s6', '--s7']

// seriesColour returns the CSS colour of series i.
export const seriesColour = (i: number) => `var(${seriesColours[i % seriesColours.length]})`
