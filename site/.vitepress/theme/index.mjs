// index.mjs — VitePress's own theme, with colours of enough contrast
import DefaultTheme from 'vitepress/theme-without-fonts';
import './style.css';

export default DefaultTheme;
